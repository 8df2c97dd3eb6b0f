/** What Lethe needs in a participant's database, as one migration. */
import type { Declaration } from '../declaration.js';
import { fenceSql } from './fence-sql.js';
import { grantsSql } from './grants-sql.js';
import { ledgerSql } from './ledger-sql.js';
import { retainedSql, retains } from './retained-sql.js';
import { upkeepSql } from './upkeep-sql.js';

/**
 * Lethe's schema, ledger, tombstones, fence, the rights of `role`, and where rows are retained: plain SQL for one transaction, to be run once,
 * by a superuser: only one can clear what ANALYZE leaves.
 */
export function installSql(declaration: Declaration, role: string): string {
  const parts = [
    ledgerSql(declaration),
    ...(declaration.fence === 'trigger' ? [fenceSql(declaration)] : []),
    grantsSql(declaration, role),
    upkeepSql(declaration, role),
    ...(retains(declaration) ? [retainedSql(declaration, role)] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}
