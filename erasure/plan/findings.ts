/** All that a plan notices before anything is touched. */

import type { Found } from './findings/found.js';
import { privilegeFindings } from './findings/privileges.js';
import { compare } from './ownership.js';
import type { PlanFinding } from './types.js';

const SEVERITIES = ['refusal', 'warning', 'info'] as const;

/** Refusals first, then by table. */
export function findingsOf(found: Found): PlanFinding[] {
  const findings = [...privilegeFindings(found)];
  const order = ({ severity, table, code, privilege }: PlanFinding) =>
    [SEVERITIES.indexOf(severity), table ?? '', code, privilege ?? ''].join('\n');
  return findings.sort((a, b) => compare(order(a), order(b)));
}
