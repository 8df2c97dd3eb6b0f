import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../support/api.js';

const TENANT = '{tenant}';
const jobs = `/api/v1/tenants/${TENANT}/deletion-jobs`;
const preview = (id: string) => `/api/v1/tenants/${id}/deletion-preview`;
const job = `/api/v1/deletion-jobs/${randomUUID()}`;

type Row = [
  what: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body: unknown,
  status: number,
  code: string,
  field?: string,
];
const TABLE: Row[] = [
  ['an unknown option', 'POST', jobs, { force: true }, 422, 'validation_failed', 'body.force'],
  [
    'an export where nobody has said into which directory',
    'POST',
    jobs,
    { export: true },
    422,
    'option_unavailable',
  ],
  ['a date that is none', 'POST', jobs, { start_at: 'tomorrow' }, 422, 'validation_failed', 'body.start_at'],
  [
    'a day that does not exist',
    'POST',
    jobs,
    { start_at: '2190-02-30T00:00:00Z' },
    422,
    'validation_failed',
    'body.start_at',
  ],
  [
    'a year that PostgreSQL lacks',
    'POST',
    jobs,
    { due_at: '0000-01-01T00:00:00Z' },
    422,
    'validation_failed',
    'body.due_at',
  ],
  [
    'a date too far for a timer',
    'POST',
    jobs,
    { start_at: '9999-01-01T00:00:00Z' },
    422,
    'validation_failed',
    'body.start_at',
  ],
  [
    'a due date before the start',
    'POST',
    jobs,
    { start_at: '2190-01-02T00:00:00Z', due_at: '2190-01-01T00:00:00Z' },
    422,
    'validation_failed',
    'body.due_at',
  ],
  [
    'a window without unit',
    'POST',
    jobs,
    { restore_window: '72' },
    422,
    'validation_failed',
    'body.restore_window',
  ],
  [
    'a window of centuries',
    'POST',
    jobs,
    { restore_window: '99999999h' },
    422,
    'validation_failed',
    'body.restore_window',
  ],
  [
    'a negative window',
    'POST',
    jobs,
    { restore_window: '-1h' },
    422,
    'validation_failed',
    'body.restore_window',
  ],
  ['a reason of the wrong type', 'POST', jobs, { reason: 7 }, 422, 'validation_failed', 'body.reason'],
  ['a reason of nothing', 'POST', jobs, { reason: '  ' }, 422, 'validation_failed', 'body.reason'],
  ['a reason with NUL', 'POST', jobs, { reason: 'a\u0000b' }, 422, 'validation_failed', 'body.reason'],
  ['a reason too long', 'POST', jobs, { reason: 'x'.repeat(1_001) }, 422, 'validation_failed', 'body.reason'],
  [
    'a hash that is none',
    'POST',
    jobs,
    { preview_hash: 'abc' },
    422,
    'validation_failed',
    'body.preview_hash',
  ],
  ['an array for a body', 'POST', jobs, [], 422, 'validation_failed', 'body'],
  ['a body that is no JSON', 'POST', jobs, '{', 400, 'malformed_request'],
  [
    'a body that poisons prototypes',
    'POST',
    jobs,
    '{"__proto__": {"reason": "x"}}',
    400,
    'malformed_request',
  ],
  ['a body too large', 'POST', jobs, { reason: 'x'.repeat(70_000) }, 413, 'body_too_large'],
  [
    'options in the body of DELETE',
    'DELETE',
    `/api/v1/tenants/${TENANT}`,
    { restore_window: '72h' },
    422,
    'validation_failed',
    'body.restore_window',
  ],
  [
    'a tenant id of another form',
    'DELETE',
    '/api/v1/tenants/my-bakery',
    undefined,
    422,
    'validation_failed',
    'params.tenant_id',
  ],
  [
    'a tenant id without dashes',
    'DELETE',
    `/api/v1/tenants/${'a'.repeat(32)}`,
    undefined,
    422,
    'validation_failed',
    'params.tenant_id',
  ],
  [
    'a tenant id with NUL',
    'DELETE',
    '/api/v1/tenants/%00',
    undefined,
    422,
    'validation_failed',
    'params.tenant_id',
  ],
  [
    'a tenant id with SQL in it',
    'GET',
    preview(encodeURIComponent("' OR 1=1 --")),
    undefined,
    422,
    'validation_failed',
    'params.tenant_id',
  ],
  [
    'a tenant id too long',
    'GET',
    preview('x'.repeat(201)),
    undefined,
    422,
    'validation_failed',
    'params.tenant_id',
  ],
  [
    'a tenant id of a path',
    'GET',
    preview('..%2F..%2Fetc'),
    undefined,
    422,
    'validation_failed',
    'params.tenant_id',
  ],
  ['an address that cannot be decoded', 'GET', preview('%E0%A4%A'), undefined, 400, 'malformed_request'],
  [
    'a job id that is none',
    'GET',
    '/api/v1/deletion-jobs/7',
    undefined,
    422,
    'validation_failed',
    'params.job_id',
  ],
  ['a job that does not exist', 'GET', job, undefined, 404, 'job_unknown'],
  ['cancelling a job that does not exist', 'POST', `${job}/cancel`, undefined, 404, 'job_unknown'],
  ['replaying a job that does not exist', 'POST', `${job}/replay`, {}, 404, 'job_unknown'],
  ['cancelling with options', 'POST', `${job}/cancel`, { now: true }, 422, 'validation_failed', 'body.now'],
  ['moving to no date', 'POST', `${job}/reschedule`, {}, 422, 'validation_failed', 'body.start_at'],
  ['moving without a body', 'POST', `${job}/reschedule`, undefined, 422, 'validation_failed', 'body'],
  ['a replay without filter', 'POST', '/api/v1/deletion-jobs/replay', {}, 422, 'validation_failed', 'body'],
  [
    'a replay of nothing but a dry run',
    'POST',
    '/api/v1/deletion-jobs/replay',
    { dry_run: true },
    422,
    'validation_failed',
    'body',
  ],
  [
    'a replay of cancelled jobs',
    'POST',
    '/api/v1/deletion-jobs/replay',
    { status: 'cancelled' },
    422,
    'validation_failed',
    'body.status',
  ],
  [
    'a replay by an unknown filter',
    'POST',
    '/api/v1/deletion-jobs/replay',
    { everything: true },
    422,
    'validation_failed',
    'body.everything',
  ],
  [
    'an unknown status in a list',
    'GET',
    '/api/v1/deletion-jobs?status=done',
    undefined,
    422,
    'validation_failed',
    'querystring.status',
  ],
  [
    'an unknown filter in a list',
    'GET',
    '/api/v1/deletion-jobs?owner=me',
    undefined,
    422,
    'validation_failed',
    'querystring.owner',
  ],
  [
    'a page of nothing',
    'GET',
    '/api/v1/deletion-jobs?limit=0',
    undefined,
    422,
    'validation_failed',
    'querystring.limit',
  ],
  [
    'a page of everything',
    'GET',
    '/api/v1/deletion-jobs?limit=100000',
    undefined,
    422,
    'validation_failed',
    'querystring.limit',
  ],
  [
    'a limit twice',
    'GET',
    '/api/v1/deletion-jobs?limit=1&limit=2',
    undefined,
    422,
    'validation_failed',
    'querystring.limit',
  ],
  [
    'a cursor that no list gave',
    'GET',
    '/api/v1/deletion-jobs?cursor=zzz',
    undefined,
    422,
    'validation_failed',
    'cursor',
  ],
  [
    'an owner who is no UUID',
    'POST',
    `/api/v1/tenants/${TENANT}/transfer-ownership`,
    { new_owner_user_id: 'me' },
    422,
    'validation_failed',
    'body.new_owner_user_id',
  ],
  [
    'a user who is no UUID',
    'DELETE',
    '/api/v1/tenants/user/me/memberships',
    undefined,
    422,
    'validation_failed',
    'params.user_id',
  ],
  ['an address that does not exist', 'GET', '/api/v1/tenant', undefined, 404, 'route_unknown'],
  [
    'a method that an address lacks',
    'POST',
    `/api/v1/tenants/${TENANT}/deletion-preview`,
    {},
    404,
    'route_unknown',
  ],
];

describe('what bad input gets', () => {
  let api: TestApi;
  let operator: string;
  let tenant: string;

  beforeAll(async () => {
    api = await openTestApi();
    const user = await api.user();
    operator = await api.users.token({ userId: user, roles: ['operator'] });
    tenant = await api.tenant({ [user]: 'owner' });
  });
  afterAll(() => api.close());

  it.each(TABLE)('%s', async (_, method, path, body, status, code, field) => {
    const answer = await api.ask(method, path.replace(TENANT, tenant), operator, body);
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.body.instance).toBe(answer.headers['x-request-id']);
    if (field !== undefined) {
      expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(field);
    }
    const { rows } = await api.pool.query('SELECT job_id FROM lethe_records.deletion_jobs');
    expect(rows).toEqual([]);
    expect(api.log.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
  });

  it('refuses what is no JSON by its name', async () => {
    const answer = await api.app.inject({
      method: 'POST',
      url: jobs.replace(TENANT, tenant),
      headers: { authorization: `Bearer ${operator}`, 'content-type': 'text/plain' },
      payload: 'please delete',
    });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'malformed_request' });
  });

  it('keeps refusals of changes in the audit, with who and why', async () => {
    await api.ask('POST', jobs.replace(TENANT, tenant), operator, { restore_window: 'soon' });
    const { rows } = await api.pool.query(
      `SELECT action, actor_role, tenant_id, details FROM lethe_records.audit_events ORDER BY event_id DESC LIMIT 1`,
    );
    expect(rows).toEqual([
      {
        action: 'refused POST /api/v1/tenants/:tenant_id/deletion-jobs',
        actor_role: 'operator',
        tenant_id: tenant,
        details: { code: 'validation_failed', status: 422 },
      },
    ]);
  });

  it('takes DELETE with the JSON header and no body, as many clients send it', async () => {
    const answer = await api.app.inject({
      method: 'DELETE',
      url: `/api/v1/tenants/${tenant}`,
      headers: { authorization: `Bearer ${operator}`, 'content-type': 'application/json' },
    });
    expect(answer.statusCode).toBe(202);
  });
});
