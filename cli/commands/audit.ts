/** `lethe audit`: fetch the trail and its signed heads, and check an export without asking anybody. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { AuditCheck } from '../../proof/check-audit.js';
import { AuditChecker } from '../../proof/check-audit.js';
import {
  NO_HEADS,
  readSignedHeads,
  type SignedChains,
  withCertificate,
} from '../../proof/check-audit-heads.js';
import { checkCertificate } from '../../proof/check-certificate.js';
import { readKeySet } from '../../protocol/key-source.js';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { readText, saveTo } from '../files.js';
import { count, type Output } from '../output.js';
import { signedTextIn } from './certificate.js';

export interface ExportOptions {
  readonly job?: string;
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
  readonly out: string;
}

/** `lethe audit export`: every event that fits, one a line. */
export const exportAudit: Command<ExportOptions> = async ({ api, out }, options) => {
  const query = new URLSearchParams();
  for (const [name, value] of [
    ['job_id', options.job],
    ['tenant_id', options.tenant],
    ['from', options.from],
    ['to', options.to],
  ] as const) {
    if (value !== undefined) query.set(name, value);
  }
  await saveTo(options.out, await api.download(`/api/v1/audit/export?${query}`, 'application/x-ndjson'));
  out.document({ file: options.out });
  out.line(`Written to ${options.out}. To check it: lethe audit verify ${options.out}`);
  return EXIT.ok;
};

const headsPage = z.object({
  heads: z.array(z.object({ sequence: z.int(), signed_at: z.string(), jws: z.string() })),
  next_after: z.int().nullable(),
});

/** `lethe audit heads`: all signed heads, or those after a number; for keeping them elsewhere. */
export const fetchHeads: Command<{ readonly after: string; readonly out: string }> = async (
  { api, out },
  options,
) => {
  const heads = [];
  for (let after: string | number | null = options.after; after !== null; ) {
    const page: z.output<typeof headsPage> = await api.call(
      headsPage,
      'GET',
      `/api/v1/audit/heads?after=${after}`,
    );
    heads.push(...page.heads);
    after = page.next_after;
  }
  await saveTo(options.out, [Buffer.from(`${JSON.stringify({ heads }, null, 2)}\n`)]);
  out.document({ file: options.out, heads: heads.length });
  out.line(
    `${count(heads.length)} heads written to ${options.out}. Keep them where nobody of the platform can write.`,
  );
  return EXIT.ok;
};

export interface VerifyAuditOptions {
  readonly keys?: readonly string[];
  readonly heads?: string;
  readonly certificate?: string;
}

/** `lethe audit verify FILE`: status 1 where something was changed. */
export const verifyAudit: Command<VerifyAuditOptions, [file: string]> = async ({ out }, options, file) => {
  const checker = new AuditChecker(await signedBy(options));
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) checker.add(line);
  } catch (error) {
    throw new UsageError(
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}.`,
    );
  }
  const checked = checker.finish();
  out.document(checked);
  printCheck(out, checked);
  return checked.findings.length === 0 && checked.events > 0 ? EXIT.ok : EXIT.failed;
};

async function signedBy({ heads, certificate, keys = [] }: VerifyAuditOptions): Promise<SignedChains> {
  if (heads === undefined && certificate === undefined) return NO_HEADS;
  if (keys.length === 0) {
    throw new UsageError('--heads and --certificate need --keys: by which keys they are to be checked.');
  }
  const sets = await Promise.all(keys.map((from) => readKeySet(from)));
  const all = { keys: sets.flatMap((set) => set.keys) };
  const signed = heads === undefined ? NO_HEADS : await readSignedHeads(headsIn(await readText(heads)), all);
  if (certificate === undefined) return signed;
  const checked = await checkCertificate(signedTextIn(await readText(certificate)), all);
  if (!checked.valid) throw new UsageError(`${certificate} does not hold (${checked.fault}). ${checked.why}`);
  return withCertificate(signed, checked.certificate);
}

/** As `lethe audit heads` writes them, or one signed head a line. */
function headsIn(text: string): string[] {
  try {
    return headsPage
      .pick({ heads: true })
      .parse(JSON.parse(text))
      .heads.map(({ jws }) => jws);
  } catch {
    return text.split(/\r?\n/).filter((line) => line !== '');
  }
}

function printCheck(out: Output, { events, chains, head, headsCompared, findings }: AuditCheck): void {
  const size = `${count(events)} events in ${count(chains)} chains`;
  const asked = Object.entries(head?.filter ?? {}).filter(([, value]) => value !== null);
  if (events === 0) out.line(`${out.colour('Nothing to check', 'red')}: there is no event in it.`);
  else if (findings.length === 0) out.line(`${out.colour('Holds', 'green')}: ${size}.`);
  else out.line(`${out.colour('Does not hold', 'red')}: ${size}, ${count(findings.length)} findings.`);
  for (const { fault, chain, position, line, why } of findings) {
    const where = [chain, position && `event ${position}`, line && `line ${line}`].filter(Boolean).join(', ');
    out.line(`  ${out.colour(fault, 'red')}${where === '' ? '' : ` ${where}`}: ${why}`);
  }
  if (asked.length > 0) {
    const part = asked.map(([name, value]) => `${name} ${value}`).join(', ');
    out.line(`It is an export of a part (${part}): what is missing outside of that is not seen.`);
  }
  if (headsCompared > 0) out.line(`Compared with ${count(headsCompared)} signed heads.`);
  else
    out.line('Not compared with signed heads: whether an end was cut off cannot be seen (--heads, --keys).');
}
