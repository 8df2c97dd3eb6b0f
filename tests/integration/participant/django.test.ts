import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksum, checksums } from '../../support/erasure.js';
import type { TestService } from '../../support/service-server.js';
import { DJANGO_ROWS, DJANGO_SQL, djangoRows } from './django.js';
import { createForeignDatabase, type ForeignDatabase, reachOver } from './foreign-database.js';

const PUBLIC = { schemas: ['public'] };
const TENANT = '7';

let db: ForeignDatabase;
let service: TestService;
let others: Record<string, string>;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createForeignDatabase(DJANGO_SQL);
  for (const tenant of [2, 70]) await db.admin.query(djangoRows(tenant));
  await db.admin.query('UPDATE crm_preference SET last_deal_id = NULL');
  others = await checksums(db.admin, PUBLIC);
  await db.admin.query(djangoRows(Number(TENANT)));
  before = await checksums(db.admin, PUBLIC);
  // Imports are answered to be nobody's, and what the tenant's users did to users stays.
  others['public.crm_import'] = before['public.crm_import'] ?? '';
  others['public.crm_activity'] = await checksum(
    db.admin,
    '(SELECT * FROM crm_activity WHERE id NOT BETWEEN 701 AND 710)',
  );
});
afterAll(() => db?.drop());

const columns = ['--column', 'tenant_id', '--column', 'organisation_id'];

describe('a Django database becomes a participant', () => {
  it('is asked about what its catalog leaves open, each with a suggestion and the reason', async () => {
    const made = await db.cli([
      'init',
      '--database-url-env',
      'CRM_DATABASE_URL',
      ...columns,
      '--out',
      db.path,
    ]);
    expect(made).toMatchObject({ exit: 0, err: '' });
    const { questions, tenant, database_url_env } = db.file();
    expect(tenant).toMatchObject({ type: 'integer', columns: ['tenant_id', 'organisation_id'] });
    expect(database_url_env).toBe('CRM_DATABASE_URL');
    const asked = questions.map(({ kind, about, suggestion }) => `${kind} ${about}: ${suggestion}`);
    expect(asked).toEqual([
      'reference public.crm_attachment.contact_id: owns',
      'reference public.crm_attachment.deal_id: owns',
      'reference public.crm_preference.last_deal_id: reference',
      'generic_reference public.crm_activity.object_id: owns',
      'tenant_column public.crm_import.tenant_key: owns',
    ]);
    expect(questions.every(({ reason, answer }) => reason.length > 10 && answer === null)).toBe(true);
    expect(questions[3]).toMatchObject({
      targets: [
        { to: 'public.crm_contact.id', when: { column: 'content_type_id', equals: '2' } },
        { to: 'public.crm_deal.id', when: { column: 'content_type_id', equals: '3' } },
        { to: 'public.crm_tag.id', when: { column: 'content_type_id', equals: '4' } },
      ],
    });
    expect(made.out).toContain('5 questions are open');
  });

  it('is refused until every question is answered, and shows what the answers change', async () => {
    const refused = await db.cli(['plan', '--config', db.path]);
    expect(refused.exit).toBe(1);
    expect(refused.out).toContain('Nobody has answered yet, about public.crm_preference.last_deal_id');
    db.edit((file) => {
      for (const question of file.questions) question.answer = question.suggestion;
      const imports = file.questions.find(({ kind }) => kind === 'tenant_column');
      if (imports) imports.answer = 'ignore';
    });
    const answered = await db.cli(['plan', '--config', db.path]);
    expect(answered.out).toContain('+ public.crm_activity');
    expect(answered.out).not.toContain('Nobody has answered');
    expect(answered.exit).toBe(1);
    const accepted = await db.cli(['plan', '--config', db.path, '--accept']);
    expect(accepted.out).not.toContain('Different from what was accepted');
    const { questions, references, ignored_columns, tables } = db.file();
    expect(questions).toEqual([]);
    expect(references).toMatchObject({ 'public.crm_preference.last_deal_id': { means: 'reference' } });
    expect(ignored_columns).toEqual({ 'public.crm_import.tenant_key': 'decided by a person' });
    expect(Object.keys(tables)).toContain('public.crm_activity');
    // Nothing of all this has touched the database.
    expect(await checksums(db.admin, PUBLIC)).toEqual(before);
  });

  it('gets a role with what is printed, and nothing else; what is missing is named', async () => {
    const check = ['grants', '--config', db.path, '--role', db.role, '--check'];
    const missing = await db.cli(check);
    expect(missing.exit).toBe(1);
    expect(missing.out).toContain('lacks DELETE on public.crm_deal');
    await db.grant();
    expect(await db.cli(check)).toMatchObject({ exit: 0 });
    expect(await db.cli(check, { as: 'role' })).toMatchObject({ exit: 0 });
    const { rows } = await db.admin.query(
      `SELECT has_table_privilege($1, 'auth_user', 'SELECT') AS users, has_table_privilege($1, 'crm_import', 'SELECT') AS imports,
              has_table_privilege($1, 'crm_preference', 'DELETE') AS preferences, has_table_privilege($1, 'crm_deal', 'TRUNCATE') AS truncate`,
      [db.role],
    );
    expect(rows).toEqual([{ users: false, imports: false, preferences: false, truncate: false }]);
    expect(await db.cli(['grants', '--config', db.path, '--role', db.role])).toMatchObject({ exit: 0 });
    await db.grant();
  });

  it('shows its plan in words, with counts and an estimate for one tenant', async () => {
    const { exit, out } = await db.cli(['plan', '--config', db.path, '--tenant', TENANT], { as: 'role' });
    expect(out).toContain('Ready: nothing stands in the way.');
    expect(exit).toBe(0);
    expect(out).toMatch(
      /crm_deal_tags +delete +\d+ +12 +deal_id → public.crm_deal: organisation_id is the tenant's key\n +or tag_id/,
    );
    expect(out).toMatch(/Moved with triggers off, keys checked set by set: 0 of \d+ tables/);
    expect(out).toContain('triggers stay on, since');
    expect(out).toContain('may not set session_replication_role');
    expect(out).toContain(`${DJANGO_ROWS} rows would go. Their archive takes about`);
    const json = await db.cli(['--json', 'plan', '--config', db.path, '--tenant', TENANT], { as: 'role' });
    expect(JSON.parse(json.out)).toMatchObject({
      runnable: true,
      total_rows: DJANGO_ROWS,
      diff: { added: [] },
    });
  });

  it('refuses a key that is no integer', async () => {
    service = await db.serve();
    const answer = await service.ask('GET', '/tenant/seven/deletion-preview', {
      token: { action: 'preview', tenantId: 'seven' },
    });
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({ code: 'validation_failed' });
  });

  it('is staged and comes back: every row of every table as it was', async () => {
    const job = randomUUID();
    const preview = await service.client.call('preview', { params: { tenant_id: TENANT } });
    expect(preview.total_rows).toBe(DJANGO_ROWS);
    const staged = await reachOver(service.client, TENANT, job, 'staged');
    expect(staged.rows_done).toBe(DJANGO_ROWS);
    expect(await checksums(db.admin, PUBLIC)).toEqual(others);
    await reachOver(service.client, TENANT, job, 'restored');
    expect(await checksums(db.admin, PUBLIC)).toEqual(before);
  });

  it('is staged, purged and verified: nothing left, and nobody else lost a row', async () => {
    const job = randomUUID();
    await reachOver(service.client, TENANT, job, 'staged');
    await reachOver(service.client, TENANT, job, 'purged');
    const verified = await service.client.call('verification', {
      params: { tenant_id: TENANT },
      query: { job_id: job },
    });
    expect(verified).toMatchObject({ clean: true, rows_left: 0, horizon_passed: true });
    expect(await checksums(db.admin, PUBLIC)).toEqual(others);
    const manifest = await service.client.call('manifest', { params: {} });
    expect(manifest).toMatchObject({ fence: 'none', unaccepted_tables: [], open_jobs: [] });
  });
});
