/** What must not stand in a log: people, companies, secrets. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Platform } from '../../local/platform.js';
import type { Callers } from './callers.js';

/** Names, addresses and numbers of everybody and every tenant, as they are now. */
export async function personalWords({ sql }: Callers): Promise<string[]> {
  const rows = await sql<{ word: string }>(`
    SELECT DISTINCT word FROM (
      SELECT unnest(ARRAY[name, slug]) AS word FROM tenant.tenants
      UNION ALL SELECT unnest(ARRAY[name, email]) FROM tenant.users
      UNION ALL SELECT unnest(ARRAY[name, email, phone]) FROM orders.customers
      UNION ALL SELECT unnest(ARRAY["fullName", email]) FROM suppliers.supplier_contacts
    ) words WHERE length(word) > 4`);
  return rows.map(({ word }) => word);
}

/** User and service tokens, keys, databases' URLs with their passwords. */
const SECRET = /eyJ[\w-]{10,}|Bearer |postgres(ql)?:\/\/|PRIVATE KEY/;

/** Processes of ours whose log has one of the words or a secret, and which. */
export function faultsOfLogs(platform: Platform, words: readonly string[]): [string, string][] {
  return logsOf(platform).flatMap(({ name, text }) => {
    const secret = SECRET.exec(text)?.[0];
    const found = [...words.filter((word) => text.includes(word)), ...(secret === undefined ? [] : [secret])];
    return found.map((word): [string, string] => [name, word]);
  });
}

/** The log of each process that is Lethe's. */
export function logsOf(platform: Platform): { name: string; text: string }[] {
  const directory = join(dirname(platform.files.servicesFile), 'logs');
  return readdirSync(directory)
    .filter((file) => !['temporal.log', 'postgres.log'].includes(file))
    .map((file) => ({ name: file, text: readFileSync(join(directory, file), 'utf8') }));
}
