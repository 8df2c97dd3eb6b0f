/** Who the pseudonyms of the trail are, for as long as somebody may know it. */
import { validate as isUuid } from 'uuid';
import type { Client } from './database.js';

/** The users behind pseudonyms; those that are forgotten, or are none, are left out. */
export async function userIdsOf(
  client: Client,
  pseudonyms: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const asked = [...new Set(pseudonyms)].filter((one) => isUuid(one));
  if (asked.length === 0) return {};
  const rows = await client.person.findMany({ where: { pseudonym: { in: asked } } });
  return Object.fromEntries(rows.map(({ pseudonym, userId }) => [pseudonym, userId]));
}
