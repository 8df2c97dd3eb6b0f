import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksums, countRows } from '../../support/erasure.js';
import type { TestService } from '../../support/service-server.js';
import { createForeignDatabase, type ForeignDatabase, reachOver } from './foreign-database.js';
import { ACME, WORKSPACE_ROWS, WORKSPACES_SQL, workspaceRows } from './workspaces.js';

const SCHEMAS = { schemas: ['app', 'Audit Log'] };

let db: ForeignDatabase;
let service: TestService;
let others: Record<string, string>;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createForeignDatabase(WORKSPACES_SQL);
  await db.admin.query(workspaceRows('globex', 1_000));
  await db.admin.query('UPDATE app.session SET "lastTaskId" = NULL');
  others = await checksums(db.admin, SCHEMAS);
  await db.admin.query(workspaceRows(ACME, 2_000));
  before = await checksums(db.admin, SCHEMAS);
});
afterAll(() => db?.drop());

const init = ['init', '--database-url-env', 'CRM_DATABASE_URL', '--root', 'app."Workspace"."Id"'];

describe('a database with a root table becomes a participant', () => {
  it('is asked at the terminal, and what is left for later stays open', async () => {
    const typed = Array.from({ length: 12 }, (_, place) => (place === 0 ? 'nonsense' : ''));
    const { out, exit } = await db.cli(
      [...init, '--out', db.path, '--schema', 'app', '--schema', 'Audit Log'],
      { typed: [...typed.slice(0, 1), 'later', ...typed.slice(1)] },
    );
    expect(exit).toBe(0);
    expect(out).toContain('That is none of the answers.');
    expect(db.file().questions).toHaveLength(1);
    const again = await db.cli([...init, '--out', db.path]);
    expect(again).toMatchObject({ exit: 2 });
    expect(again.err).toContain('is there already');
  });

  it('takes suggestions where told to: each decision is in the file with its reason', async () => {
    const { exit } = await db.cli([
      ...init,
      ...['--out', db.path, '--force', '--yes', '--schema', 'app', '--schema', 'Audit Log'],
    ]);
    expect(exit).toBe(0);
    const { tenant, references, soft_references, questions } = db.file();
    expect(questions).toEqual([]);
    expect(tenant).toEqual({
      type: 'text',
      root: { table: 'app."Workspace"', key: 'Id' },
      columns: [],
      columns_of: { '"Audit Log".entry': ['workspaceId'] },
    });
    expect(Object.entries(references).map(([key, { means }]) => `${key}: ${means}`)).toEqual([
      '"Audit Log".export.project: owns',
      'app.comment."projectId": owns',
      'app.comment."taskId": owns',
      'app.session."lastTaskId": reference',
      'app.log."projectId": reference',
      'app."Share"."fromWorkspaceId": owns',
      'app."Share"."toWorkspaceId": owns',
    ]);
    expect(soft_references).toEqual([
      {
        from: 'app.contract."projectId"',
        to: 'app."Project".id',
        because: expect.stringContaining('inherits'),
      },
      {
        from: 'app.setting.id',
        to: 'app."Workspace"."settingId"',
        because: expect.stringContaining('is a part of it'),
      },
    ]);
  });

  it('can be run with what is granted, and says what is not fenced', async () => {
    await db.grant();
    const { out, exit } = await db.cli(['plan', '--config', db.path, '--tenant', ACME], { as: 'role' });
    expect(out).toContain('Ready: nothing stands in the way.');
    expect(exit).toBe(0);
    expect(out).toContain('app."time ""spent"""');
    expect(out).toContain(`${WORKSPACE_ROWS} rows would go`);
    service = await db.serve();
    const manifest = await service.client.call('manifest', { params: {} });
    expect(manifest).toMatchObject({ fence: 'none', reversible: true, unaccepted_tables: [] });
  });

  it('is staged and comes back: every row of every table as it was, rows without a key included', async () => {
    const job = randomUUID();
    const staged = await reachOver(service.client, ACME, job, 'staged');
    expect(staged.rows_done).toBe(WORKSPACE_ROWS);
    expect(await checksums(db.admin, SCHEMAS)).toEqual(others);
    await reachOver(service.client, ACME, job, 'restored');
    expect(await checksums(db.admin, SCHEMAS)).toEqual(before);
  });

  it('sweeps rows that come late and refer to archived rows without a constraint', async () => {
    const job = randomUUID();
    await reachOver(service.client, ACME, job, 'staged');
    await db.admin.query(`INSERT INTO app.contract VALUES (2999, 2001, 'late', '2026-01-02')`);
    await db.admin.query(`INSERT INTO app.contract VALUES (2998, 1001, 'other', '2026-01-02')`);
    const verified = await service.client.call('verification', { params: { tenant_id: ACME }, query: {} });
    expect(verified.tables).toContainEqual({ table: 'app.contract', live_rows: 1, archived_rows: 3 });
    await reachOver(service.client, ACME, job, 'purged');
    expect(await countRows(db.admin, 'app.contract WHERE id IN (2999, 2998)')).toBe(1);
    await db.admin.query('DELETE FROM app.contract WHERE id = 2998');
    const clean = await service.client.call('verification', {
      params: { tenant_id: ACME },
      query: { job_id: job },
    });
    expect(clean).toMatchObject({ clean: true, rows_left: 0, horizon_passed: true });
    expect(await checksums(db.admin, SCHEMAS)).toEqual(others);
  });
});

describe('rows that are of two tenants', () => {
  const share = `INSERT INTO app."Share" ("fromWorkspaceId", "toWorkspaceId", "projectId") VALUES ('globex', 'initech', 1001)`;

  beforeAll(async () => {
    await db.admin.query(workspaceRows('initech', 3_000));
    await db.admin.query(share);
  });

  it('go with either of them, and the preview counts them', async () => {
    const { findings } = await service.client.call('preview', { params: { tenant_id: 'initech' } });
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'row_of_several_owners',
        message: expect.stringContaining('1 row of app."Share" would go with this tenant'),
      }),
    );
  });

  it('keep the other tenant from being deleted where a person has said so', async () => {
    db.edit((file) => {
      const references = file.references as Record<string, { means: string }>;
      references['app."Share"."toWorkspaceId"'] = { means: 'conflict' };
    });
    expect((await db.cli(['plan', '--config', db.path, '--accept'])).exit).toBe(0);
    const refused = await db.cli(['plan', '--config', db.path, '--tenant', 'initech'], { as: 'role' });
    expect(refused.exit).toBe(1);
    expect(refused.out).toContain(
      '1 row of app."Share" that would stay refers by "Share_toWorkspaceId_fkey"',
    );
    expect((await db.cli(['plan', '--config', db.path, '--tenant', 'globex'], { as: 'role' })).exit).toBe(0);
  });
});

describe('a table that a migration adds', () => {
  const coverage = () => db.cli(['--json', 'coverage', '--config', db.path]);
  const ready = async () => {
    const response = await fetch(`${service.url}/readyz`);
    return { status: response.status, body: await response.text() };
  };

  it('is missed by the coverage, and the service is not ready until somebody has accepted it', async () => {
    expect((await coverage()).exit).toBe(0);
    expect((await ready()).status).toBe(200);
    await db.admin.query(
      `CREATE TABLE app.voucher (id int PRIMARY KEY, "workspaceId" text NOT NULL REFERENCES app."Workspace")`,
    );
    const missed = await coverage();
    expect(missed.exit).toBe(1);
    expect(JSON.parse(missed.out)).toMatchObject({
      complete: false,
      services: [{ unaccepted: ['app.voucher'], missing: [], error: null }],
    });
    const refused = await ready();
    expect([refused.status, refused.body]).toEqual([503, expect.stringContaining('app.voucher')]);

    expect((await db.cli(['plan', '--config', db.path, '--accept'])).exit).toBe(0);
    expect((await coverage()).exit).toBe(0);
    await db.grant();
    service = await db.serve();
    expect((await ready()).status).toBe(200);
  });
});
