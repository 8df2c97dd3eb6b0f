/** Who may do what: the one place. `docs/rights.md` is its page, and a test has a case per cell. */
import { Problem } from '../protocol/problems.js';
import type { User } from './dependencies.js';

/** What a caller is to a tenant, or to the platform. */
export type Standing = 'owner' | 'admin' | 'operator' | 'approver' | 'auditor';

export const RIGHTS = {
  read: ['owner', 'admin', 'operator', 'approver', 'auditor'],
  delete: ['owner', 'operator'],
  cancel: ['owner', 'operator'],
  reschedule: ['owner', 'operator'],
  transfer_ownership: ['owner', 'operator'],
  /** Besides the user in question. */
  remove_memberships: ['operator'],
  replay: ['operator'],
  halt: ['operator'],
  /** Never of what they asked for themselves. */
  approve: ['operator', 'approver'],
  hold: ['approver'],
  see_holds: ['operator', 'approver', 'auditor'],
  /** To ask for a waiver, and to withdraw one. */
  waive: ['operator'],
  /** Never by the one who asked for it. */
  approve_waiver: ['operator', 'approver'],
  see_services: ['operator', 'approver', 'auditor'],
  audit: ['approver', 'auditor'],
  see_retained: ['approver', 'auditor'],
  forget_people: ['operator'],
  see_erased: ['operator', 'approver', 'auditor'],
  import_erased: ['operator'],
  reapply: ['operator'],
  /** To ask for it, and to approve what somebody else has asked for. */
  release_tombstone: ['operator', 'approver'],
} as const satisfies Record<string, readonly Standing[]>;
export type Right = keyof typeof RIGHTS;

const STAFF = ['operator', 'approver', 'auditor'] as const;

/** Standings that the token alone gives, whatever the tenant. */
export function staffStandings(user: User): Standing[] {
  return STAFF.filter((role) => user.roles.has(role));
}

export function isStaff(user: User): boolean {
  return staffStandings(user).length > 0;
}

export function allows(right: Right, standings: readonly Standing[]): boolean {
  return standings.some((standing) => (RIGHTS[right] as readonly Standing[]).includes(standing));
}

/** Throws `forbidden` where none of the standings has the right. */
export function demand(right: Right, standings: readonly Standing[]): void {
  if (allows(right, standings)) return;
  const needed = RIGHTS[right].join(', ');
  throw new Problem(
    'forbidden',
    `To ${right.replaceAll('_', ' ')} takes one of: ${needed}. The token gives none of them here.`,
  );
}
