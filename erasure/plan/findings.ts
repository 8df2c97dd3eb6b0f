/** All that a plan notices before anything is touched. */
import { coverageFindings } from './findings/coverage.js';
import type { Found } from './findings/found.js';
import { keyFindings } from './findings/keys.js';
import { userColumnFindings } from './findings/names-users.js';
import { policyFindings } from './findings/policies.js';
import { privilegeFindings } from './findings/privileges.js';
import { secretFindings } from './findings/secrets.js';
import { tableFindings } from './findings/tables.js';
import { unitFindings } from './findings/units.js';
import { compare } from './ownership.js';
import type { PlanFinding } from './types.js';

const SEVERITIES = ['refusal', 'warning', 'info'] as const;

/** Refusals first, then by table. */
export function findingsOf(found: Found): PlanFinding[] {
  const findings = [
    ...privilegeFindings(found),
    ...coverageFindings(found),
    ...keyFindings(found),
    ...tableFindings(found),
    ...unitFindings(found),
    ...policyFindings(found),
    ...secretFindings(found),
    ...userColumnFindings(found),
  ];
  const order = ({ severity, table, code, privilege, message }: PlanFinding) =>
    [SEVERITIES.indexOf(severity), table ?? '', code, privilege ?? '', message].join('\n');
  return findings.sort((a, b) => compare(order(a), order(b)));
}
