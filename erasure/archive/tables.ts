/** Archive tables in Lethe's schema. */
import { type QualifiedName, qualified } from '../quote.js';
import type { Session } from '../session/session.js';
import type { ColumnPlan } from './columns.js';

/** Names are short, whatever the tables are called: PostgreSQL cuts at 63 bytes, and two would become one. */
export function archiveName(kind: keyof typeof LETTERS, ledgerId: string, place: number): string {
  return `${LETTERS[kind]}${ledgerId}_${place}`;
}

const LETTERS = { rows: 'a', references: 'r', orphans: 'o' } as const;

export async function createArchive(
  session: Session,
  name: QualifiedName,
  columns: readonly ColumnPlan[],
): Promise<void> {
  const definitions = columns.map(({ archived, type }) => `${archived.stored} ${type}`).join(', ');
  await session.query(`CREATE TABLE ${qualified(name)} (${definitions})`, [], {
    table: name.schema,
    privilege: 'CREATE',
  });
}

/** Drops archives, however many of them are still there. */
export async function dropArchives(
  session: Session,
  schema: string,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  const list = names.map((name) => qualified({ schema, name })).join(', ');
  await session.query(`DROP TABLE IF EXISTS ${list}`, [], { table: schema });
}
