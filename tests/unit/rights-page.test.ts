import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RIGHTS, type Right, type Standing } from '../../api/rights.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/rights.md'), 'utf8');
const STANDINGS: readonly Standing[] = ['owner', 'admin', 'operator', 'approver', 'auditor'];

/** Which right of the program each row of the page is about. */
const ROWS: Record<string, readonly Right[]> = {
  "preview, read the tenant's jobs": ['read'],
  'see who may act for the tenant': ['read'],
  'delete, cancel, move the date': ['delete', 'cancel', 'reschedule'],
  'transfer ownership': ['transfer_ownership'],
  "remove a user's memberships": ['remove_memberships'],
  'replay, one or many': ['replay'],
  'see the services': ['see_services'],
  certificate: ['read'],
  'audit trail': ['audit'],
  'see and export what is retained': ['see_retained'],
  'forget a person': ['forget_people'],
  'see who is erased, and check it': ['see_erased'],
  'import a list of erased tenants': ['import_erased'],
  'erase again what came back': ['reapply'],
  "ask for a release, approve another's": ['release_tombstone'],
  'approve, reject (never the requester)': ['approve'],
  'place and lift legal holds': ['hold'],
  'see legal holds': ['see_holds'],
  'halt, resume': ['halt'],
  'waive a service, withdraw a waiver': ['waive'],
  'approve a waiver (never who asked for it)': ['approve_waiver'],
};

const rows = [...page.matchAll(/^\| ([a-z].*?) +\|(.*)\|$/gm)].map(([, what = '', cells = '']) => ({
  what,
  allowed: STANDINGS.filter((_, index) => cells.split('|')[index]?.trim() === '✓'),
}));

describe('the page of rights', () => {
  it('has a row for every right, and none besides', () => {
    expect(rows.map((row) => row.what)).toEqual(Object.keys(ROWS));
    expect(new Set(Object.values(ROWS).flat())).toEqual(new Set(Object.keys(RIGHTS)));
  });

  it.each(rows)('says of "$what" what the program does', ({ what, allowed }) => {
    for (const right of ROWS[what] ?? []) expect(allowed).toEqual([...RIGHTS[right]]);
  });
});
