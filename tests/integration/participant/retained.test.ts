/** Policies in a participant's file: from the plan to what an auditor is given, by the command line alone. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lethe } from '../../support/cli.js';
import { checksums, countRows } from '../../support/erasure.js';
import { createForeignDatabase, type ForeignDatabase } from './foreign-database.js';

const SCHEMA = `
CREATE TABLE account (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE client (id bigint PRIMARY KEY, account_id bigint NOT NULL REFERENCES account, name text NOT NULL);
CREATE TABLE invoice (id bigint PRIMARY KEY, client_id bigint NOT NULL REFERENCES client, issued_on date NOT NULL, total numeric(12,2));
CREATE TABLE visit (id bigint PRIMARY KEY, account_id bigint REFERENCES account, minutes int NOT NULL);
CREATE INDEX ON client (account_id); CREATE INDEX ON invoice (client_id); CREATE INDEX ON visit (account_id);
INSERT INTO account VALUES (1, 'one'), (2, 'two');
INSERT INTO client SELECT n, 1 + n % 2, 'client ' || n FROM generate_series(1, 6) n;
INSERT INTO invoice VALUES (1, 2, '2024-03-01', 10.50), (2, 2, '2025-03-01', 1), (3, 1, '2024-03-01', 7);
INSERT INTO visit SELECT n, 1 + n % 2, n FROM generate_series(1, 6) n;`;
const LAW = 'Tax law: invoices are kept for ten years';

let db: ForeignDatabase;
let reader: string;

beforeAll(async () => {
  db = await createForeignDatabase(SCHEMA);
  reader = `${db.role}_reads`;
  const source = ['--database-url-env', 'CRM_DATABASE_URL', '--root', 'public.account.id'];
  expect(await db.cli(['init', ...source, '--out', db.path, '--yes'])).toMatchObject({ exit: 0 });
  await db.admin.query(`CREATE ROLE ${reader} LOGIN PASSWORD '${reader}'`);
});
afterAll(async () => {
  await db?.admin.query(`DROP OWNED BY ${reader}; DROP ROLE ${reader}`);
  await db?.drop();
});

const config = () => ['--config', db.path];

/** As the service's role, or with the reader's URL where the file names it. */
function asServed(words: readonly string[]) {
  const url = new URL(db.url);
  url.username = reader;
  url.password = reader;
  return lethe(words, { databaseUrls: { CRM_DATABASE_URL: db.roleUrl, CRM_RETAINED_URL: url.href } });
}

it('refuses a policy that says too little, and one under which rows would still lead to somebody', async () => {
  db.edit((file) => {
    file.tables['public.invoice'] = { ...file.tables['public.invoice'], action: 'retain' } as never;
  });
  const broken = await db.cli(['plan', ...config()]);
  expect(broken).toMatchObject({ exit: 2 });
  expect(broken.err).toContain('how long, from when, and on which ground');
  db.edit((file) => {
    file.tables['public.invoice'] = {
      ...file.tables['public.invoice'],
      action: 'retain',
      retention: { period: 'P10Y', from: { column: 'issued_on', end_of: 'calendar_year' }, ground: LAW },
    };
    file.tables['public.visit'] = {
      ...file.tables['public.visit'],
      action: 'anonymize',
      columns: { minutes: { becomes: 'constant', value: '0' } },
    };
    file.retained_url_env = 'CRM_RETAINED_URL';
  });
  const linked = await db.cli(['plan', ...config()]);
  expect(linked.exit).toBe(1);
  expect(linked.out).toContain('account_id refers to public.account');
  expect(linked.out).toContain('there is no place for them beside lethe');
  db.edit((file) => {
    file.tables['public.visit'] = {
      ...file.tables['public.visit'],
      action: 'anonymize',
      columns: {
        account_id: { becomes: 'null' },
        minutes: { becomes: 'keep', reason: 'How long says nothing of anybody' },
      },
      reason: 'Visits are counted over years',
    };
    file.tables['public.client'] = {
      ...file.tables['public.client'],
      action: 'delete',
      reason: 'The contract says so',
    };
  });
});

it('is planned in words, granted, carried out, and shown to an auditor alone', async () => {
  const printed = await db.cli(['grants', ...config(), '--role', db.role, '--reader', reader]);
  await db.admin.query(printed.out);
  expect(await asServed(['grants', ...config(), '--role', db.role, '--check'])).toMatchObject({ exit: 0 });
  const plan = await asServed(['plan', ...config(), '--tenant', '1']);
  expect(plan).toMatchObject({ exit: 0, err: '' });
  expect(plan.out).toContain(
    `public.invoice is retained for P10Y from the end of the calendar year of issued_on: ${LAW}`,
  );
  expect(plan.out).toContain("public.visit stays and is nobody's: account_id becomes null");
  expect(plan.out).toContain('public.visit: minutes stays as it is: How long says nothing of anybody');
  expect(plan.out).toContain('public.visit (anonymize): Visits are counted over years');
  expect(plan.out).toContain('public.client (delete): The contract says so');
  const { tables } = JSON.parse((await asServed(['--json', 'plan', ...config()])).out);
  expect(tables).toContainEqual(
    expect.objectContaining({ table: 'public.client', reason: 'The contract says so' }),
  );
  expect(tables).toContainEqual(expect.objectContaining({ table: 'public.account', reason: null }));
  expect(plan.out).toContain('what rows of public.invoice refer to is retained with them');
  // The account, three clients, two invoices.
  expect(plan.out).toContain('6 rows would go.');

  const before = await checksums(db.admin, { schemas: ['public'] });
  const of = ['--tenant', '1', '--job', randomUUID(), '--break-glass', 'a trial'];
  expect(await asServed(['engine', 'stage', ...config(), ...of])).toMatchObject({ exit: 0 });
  expect(await asServed(['engine', 'restore', ...config(), ...of])).toMatchObject({ exit: 0 });
  expect(await checksums(db.admin, { schemas: ['public'] })).toEqual(before);

  of[3] = randomUUID();
  expect(await asServed(['engine', 'purge', ...config(), ...of])).toMatchObject({ exit: 0 });
  expect(await countRows(db.admin, 'visit WHERE account_id IS NULL')).toBe(3);
  expect(await countRows(db.admin, 'account')).toBe(1);
  expect(await countRows(db.admin, 'invoice')).toBe(1);

  const list = await asServed(['--json', 'retained', 'list', ...config()]);
  expect(JSON.parse(list.out)).toEqual([
    expect.objectContaining({
      table: 'public.account',
      why: 'referred_to',
      rows: 1,
      last_due_at: '2036-01-01T00:00:00.000Z',
    }),
    expect.objectContaining({ table: 'public.client', why: 'referred_to', rows: 1 }),
    expect.objectContaining({
      table: 'public.invoice',
      why: 'policy',
      rows: 2,
      first_due_at: '2035-01-01T00:00:00.000Z',
    }),
  ]);
  const shown = await asServed(['retained', 'list', ...config(), '--tenant', '1']);
  expect(shown.out).toMatch(new RegExp(`1 +public\\.invoice +2 +2036-01-01 +${LAW}`));
  expect((await asServed(['retained', 'list', ...config(), '--tenant', '2'])).out).toBe(
    'Nothing is retained.\n',
  );

  const file = join(db.directory, 'retained.ndjson');
  expect(await asServed(['retained', 'export', ...config(), '--out', file])).toMatchObject({
    exit: 0,
    err: '',
  });
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows.map(({ table, row }) => [table, row.id])).toEqual([
    ['public.account', '1'],
    ['public.client', '2'],
    ['public.invoice', '1'],
    ['public.invoice', '2'],
  ]);
  expect(rows[2]).toMatchObject({ ground: LAW, row: { total: '10.50' }, types: { total: 'numeric(12,2)' } });
  const own = ['retained', 'export', ...config(), '--out', file, '--database-url-env', 'CRM_DATABASE_URL'];
  const refused = await asServed(own);
  expect(refused.exit).toBe(1);
  expect(refused.err).toContain('retained');
});
