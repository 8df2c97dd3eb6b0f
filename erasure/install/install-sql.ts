/** What Lethe needs in a participant's database, as one migration. */
import type { Declaration } from '../declaration.js';
import { fenceSql } from './fence-sql.js';
import { grantsSql } from './grants-sql.js';
import { ledgerSql } from './ledger-sql.js';

/**
 * Lethe's schema, ledger, tombstones, fence, and the rights of `role`: plain SQL for one transaction, to be run once,
 * by a role that owns the declared tables or is superuser.
 */
export function installSql(declaration: Declaration, role: string): string {
  const parts = [
    ledgerSql(declaration),
    ...(declaration.fence === 'trigger' ? [fenceSql(declaration)] : []),
    grantsSql(declaration, role),
  ];
  return `${parts.join('\n\n')}\n`;
}
