/** `lethe keys`: make and retire the platform's signing keys, in the directory where they lie. */
import { readFile } from 'node:fs/promises';
import {
  KEY_PURPOSES,
  type KeyPurpose,
  readPublicKeys,
  retireSigningKey,
  writeSigningKey,
} from '../../protocol/keys.js';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';

export interface KeysOptions {
  readonly directory: string;
}

/** `lethe keys list`: public halves only. */
export const listKeys: Command<KeysOptions> = async ({ out }, { directory }) => {
  const keys = await Promise.all(
    KEY_PURPOSES.map(async (purpose) => {
      const { jwks } = await readPublicKeys(directory, purpose);
      const signing = await Promise.all(jwks.keys.map(({ kid = '' }) => signs(directory, purpose, kid)));
      const newest = signing.lastIndexOf(true);
      return jwks.keys.map(({ kid = '' }, index) => ({
        purpose,
        kid,
        state: index === newest ? 'signs' : signing[index] ? 'replaced' : 'retired',
      }));
    }),
  );
  out.document({ keys: keys.flat() });
  out.table(
    ['purpose', 'key', 'state'],
    keys.flat().map(({ purpose, kid, state }) => [purpose, kid, state]),
  );
  return EXIT.ok;
};

/** `lethe keys add PURPOSE`: certificates and the records' heads are signed with it at once. */
export const addKey: Command<KeysOptions, [purpose: string]> = async ({ out }, { directory }, purpose) => {
  const file = await writeSigningKey(directory, purposeOf(purpose));
  out.document({ file });
  out.line(`Made ${file}.`);
  return EXIT.ok;
};

/** `lethe keys retire PURPOSE KID`: it signs nothing any more, and what it has signed stays checkable. */
export const retireKey: Command<KeysOptions, [purpose: string, kid: string]> = async (
  { out },
  { directory },
  purpose,
  kid,
) => {
  const file = await retireSigningKey(directory, purposeOf(purpose), kid);
  out.document({ file });
  out.line(
    `${file} has its public half only now. Leave it there: it is published for as long as it lies there.`,
  );
  return EXIT.ok;
};

function purposeOf(text: string): KeyPurpose {
  const purpose = KEY_PURPOSES.find((one) => one === text);
  if (purpose === undefined) throw new UsageError(`A purpose is one of ${KEY_PURPOSES.join(', ')}.`);
  return purpose;
}

async function signs(directory: string, purpose: KeyPurpose, kid: string): Promise<boolean> {
  const stored = JSON.parse(await readFile(`${directory}/${purpose}.${kid}.json`, 'utf8')) as { d?: unknown };
  return stored.d !== undefined;
}
