import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEnvironment } from '../../../config.js';
import { projectRoot } from '../../../local/paths.js';
import { freeRange } from '../../../local/ports.js';
import { registry } from '../../../protocol/registry.js';
import { until } from '../../support/conditions.js';
import { checksums, countRows } from '../../support/erasure.js';
import { programFile } from '../../support/programs.js';
import { askParticipant, createTestKeys, TEST_ISSUER } from '../../support/service-server.js';
import { createForeignDatabase, type ForeignDatabase } from './foreign-database.js';

const SCHEMA = `
CREATE TABLE account (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE message (id bigint PRIMARY KEY, account_id bigint NOT NULL REFERENCES account, body text);
CREATE TABLE visit (at date NOT NULL, account_id bigint NOT NULL REFERENCES account) PARTITION BY RANGE (at);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE INDEX ON message (account_id); CREATE INDEX ON visit (account_id);
INSERT INTO account VALUES (1, 'one'), (2, 'two');
INSERT INTO message SELECT n, 1 + n % 2, 'm' FROM generate_series(1, 20) n;
INSERT INTO visit SELECT '2026-01-05', 1 + n % 2 FROM generate_series(1, 10) n;`;
const PUBLIC = { schemas: ['public'] };
const ROWS = 1 + 10 + 5;

let db: ForeignDatabase;

beforeAll(async () => {
  db = await createForeignDatabase(SCHEMA);
  const source = ['--database-url-env', 'CRM_DATABASE_URL', '--root', 'public.account.id'];
  await db.cli(['init', ...source, '--out', db.path, '--yes']);
  await db.grant();
});
afterAll(() => db?.drop());

const config = () => ['--config', db.path];

const isWaiting = async () =>
  (await countRows(
    db.admin,
    `pg_stat_activity WHERE datname = current_database() AND application_name = 'lethe cli' AND wait_event_type = 'Lock'`,
  )) > 0;

describe('the fence', () => {
  it('is installed only when asked for, table by table, and gives way to writers', async () => {
    expect((await db.cli(['fence', 'list', ...config()])).out).toMatch(/public\.account +id +none/);
    const writer = await db.connect();
    await writer.query('BEGIN; INSERT INTO account VALUES (9, $$nine$$)');
    const waiting = db.cli(['fence', 'install', ...config()]);
    await until(() => isWaiting(), { what: 'the trigger to wait for the writer', everyMs: 20 });
    // Who comes after the waiting trigger has to wait for it, and not for the writer.
    await db.admin.query(`INSERT INTO account VALUES (8, 'eight')`);
    await writer.query('ROLLBACK');
    expect(await waiting).toMatchObject({ exit: 0 });
    expect(db.file().fence).toBe('trigger');
    expect((await db.cli(['fence', 'list', ...config()])).out).toMatch(/public\.account +id +installed/);
    const { out } = await db.cli(['plan', ...config()], { as: 'role' });
    expect(out).toContain('fence: trigger');
    expect(out).not.toContain('fence_missing');
    await db.admin.query('DELETE FROM account WHERE id = 8');
  });

  it('keeps an erased tenant from coming back, until it is removed', async () => {
    const job = randomUUID();
    const before = await checksums(db.admin, PUBLIC);
    const of = ['--tenant', '2', '--job', job, '--break-glass', 'a trial on a copy'];
    await db.cli(['engine', 'stage', ...config(), ...of], { as: 'role' });
    await expect(db.admin.query(`INSERT INTO account VALUES (2, 'back')`)).rejects.toThrow(/erased/);
    await db.cli(['engine', 'restore', ...config(), ...of], { as: 'role' });
    expect(await checksums(db.admin, PUBLIC)).toEqual(before);
    expect(await db.cli(['fence', 'remove', ...config()])).toMatchObject({ exit: 0 });
    expect(db.file().fence).toBe('none');
    expect(await countRows(db.admin, `pg_trigger WHERE tgname LIKE 'lethe%'`)).toBe(0);
  });
});

describe('a step by hand', () => {
  const step = (name: string, job: string, more: string[] = []) =>
    db.cli(['engine', name, ...config(), '--tenant', '1', '--job', job, ...more], { as: 'role' });

  it('asks for the reason, which stands in the ledger and in the next manifest', async () => {
    const job = randomUUID();
    const refused = await step('stage', job);
    expect(refused).toMatchObject({ exit: 2 });
    expect(refused.err).toContain('--break-glass');
    expect(await countRows(db.admin, `lethe.deletion_ledger WHERE job_id = '${job}'`)).toBe(0);

    const staged = await step('stage', job, ['--break-glass', 'the platform is down']);
    expect(staged).toMatchObject({ exit: 0, err: '' });
    expect(staged.out).toContain(`staged: ${ROWS} rows`);
    expect((await step('verify', job)).exit).toBe(1);
    expect(await step('purge', job, ['--break-glass', 'ordered by the court'])).toMatchObject({ exit: 0 });
    const verified = await step('verify', job);
    expect(verified).toMatchObject({ exit: 0 });
    expect(verified.out).toContain('Nothing is left, live or archived.');

    const service = await db.serve();
    const { break_glass } = await service.client.call('manifest', { params: {} });
    expect(break_glass?.filter(({ job_id }) => job_id === job)).toEqual([
      expect.objectContaining({
        target: 'purged',
        reason: 'ordered by the court',
        by: 'tester',
        tenant_id: '1',
      }),
      expect.objectContaining({ target: 'staged', reason: 'the platform is down' }),
    ]);
  });

  it('lists rows that cannot come back by their keys alone, and puts them aside where told to', async () => {
    const job = randomUUID();
    const of = (more: string[]) =>
      db.cli(['engine', 'restore', ...config(), '--tenant', '2', '--job', job, ...more], { as: 'role' });
    const staged = [
      'engine',
      'stage',
      ...config(),
      '--tenant',
      '2',
      '--job',
      job,
      '--break-glass',
      'a trial',
    ];
    expect(await db.cli(staged, { as: 'role' })).toMatchObject({ exit: 0 });
    expect(await of(['--conflicts', 'list'])).toMatchObject({
      exit: 0,
      out: expect.stringContaining('Nothing stands in the way'),
    });
    await db.admin.query(
      `INSERT INTO account VALUES (70, 'seventy'); INSERT INTO message VALUES (3, 70, 'in the way')`,
    );
    const listed = await of(['--conflicts', 'list']);
    expect(listed.exit).toBe(1);
    expect(listed.out).toMatch(
      /public\.message: 1 row, other rows have taken their place in message_pkey\nid\n3\n/,
    );
    expect(await of(['--conflicts', 'skip-row'])).toMatchObject({ exit: 2 });
    expect(await of(['--break-glass', 'a trial'])).toMatchObject({ exit: 1 });
    const skipped = await of(['--conflicts', 'skip-row', '--break-glass', 'it cannot wait']);
    expect(skipped).toMatchObject({ exit: 0, out: expect.stringContaining('kept in Lethe') });
    expect(await countRows(db.admin, 'message WHERE account_id = 2')).toBe(9);
    expect(await countRows(db.admin, `lethe.deletion_ledger WHERE jsonb_array_length(skipped) = 1`)).toBe(1);
    await db.admin.query('DELETE FROM message WHERE id = 3');
  });

  it('says what it cannot do, and why', async () => {
    const known = ['--break-glass', 'a trial'];
    expect(await step('restore', 'no-uuid', known)).toMatchObject({ exit: 2 });
    const job = randomUUID();
    await step('restore', job, known);
    const refused = await step('stage', job, known);
    expect(refused.exit).toBe(1);
    expect(refused.err).toContain('a job that is restored here cannot become staged');
  });
});

describe('lethe serve', () => {
  const started: ChildProcess[] = [];
  afterAll(() => {
    for (const child of started) child.kill('SIGKILL');
  });

  it('serves all files of a directory, prints their registry, and ends when it is told to', async () => {
    const directory = join(db.directory, 'participants');
    mkdirSync(directory);
    copyFileSync(db.path, join(directory, 'a.json'));
    const second = { ...db.file(), name: 'billing', database_url_env: 'BILLING_DATABASE_URL' };
    writeFileSync(join(directory, 'b.json'), JSON.stringify(second));
    const keys = await createTestKeys();
    writeFileSync(join(db.directory, 'jwks'), JSON.stringify(keys.keys.jwks));
    // Each file is served at the port after the one before.
    const port = await freeRange(2);
    const child = spawn(
      process.execPath,
      [programFile('cli/lethe'), '--json', 'serve', '--config', directory, '--port', String(port)],
      {
        cwd: projectRoot,
        env: childEnvironment({
          CRM_DATABASE_URL: db.roleUrl,
          BILLING_DATABASE_URL: db.roleUrl,
          PLATFORM_JWKS: join(db.directory, 'jwks'),
          SERVICE_TOKEN_ISSUER: TEST_ISSUER,
          LOG_LEVEL: 'silent',
        }),
      },
    );
    started.push(child);
    let printed = '';
    let complaint = '';
    child.stdout.on('data', (part: Buffer) => {
      printed += part.toString();
    });
    child.stderr.on('data', (part: Buffer) => {
      complaint += part.toString();
    });
    await until(async () => child.exitCode !== null || Array.isArray(JSON.parse(printed)), {
      what: 'the registry',
    });
    expect({ exit: child.exitCode, complaint }).toEqual({ exit: null, complaint: '' });
    const entries = registry.parse(JSON.parse(printed));
    expect(entries.map(({ name }) => name)).toEqual(['crm', 'billing']);
    for (const { name, url } of entries) {
      const answer = await askParticipant({ url, name, issuer: keys }, 'GET', '/deletion-manifest', {
        token: { action: 'manifest' },
      });
      expect(answer.body).toMatchObject({ service_name: name, fence: 'none', reversible: true });
    }
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('lists every fault of a file before anything is served', async () => {
    const broken = join(db.directory, 'broken.json');
    const { tenant: _, ...rest } = JSON.parse(readFileSync(db.path, 'utf8'));
    writeFileSync(broken, JSON.stringify({ ...rest, schemas: [], fance: 'none' }));
    const { exit, err } = await db.cli(['serve', '--config', broken]);
    expect(exit).toBe(2);
    for (const fault of ['schemas', 'tenant', 'fance']) expect(err).toContain(fault);
    expect((await db.cli(['plan', '--config', join(db.directory, 'none.json')])).exit).toBe(2);
  });
});
