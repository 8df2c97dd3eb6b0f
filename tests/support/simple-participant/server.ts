/**
 * A participant of the simple level: a loyalty programme that can count and delete, and no more. It was written from
 * docs/protocol.md and knows nothing of Lethe's code, only HTTP, JSON Web Tokens and its own table.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Pool } from 'pg';

interface Setting {
  readonly name: string;
  readonly issuer: string;
  readonly keys: JWTVerifyGetKey;
  readonly pool: Pool;
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TABLE = 'loyalty.cards';
const PLAN_HASH = createHash('sha256').update(`delete ${TABLE} by tenant_id`).digest('hex');

/** The tables of the programme: the cards, and what was deleted for which job. */
export const TABLES = `
  CREATE SCHEMA IF NOT EXISTS loyalty;
  CREATE TABLE IF NOT EXISTS loyalty.cards (id bigserial PRIMARY KEY, tenant_id text NOT NULL, points int NOT NULL);
  CREATE TABLE IF NOT EXISTS loyalty.deletions (tenant_id text, job_id uuid, cards int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, job_id));`;

export function simpleServer(setting: Setting): Server {
  return createServer(async (request, response) => {
    try {
      const answer = await answerTo(request, setting);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } catch (error) {
      const known = error instanceof Refusal ? error : new Refusal(500, 'internal', 'An unexpected fault.');
      const { status, code, message: detail } = known;
      const problem = { type: `urn:lethe:problem:${code}`, title: code, status, code, detail };
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    }
  });
}

async function answerTo(request: IncomingMessage, setting: Setting): Promise<unknown> {
  const { name, pool } = setting;
  const url = new URL(request.url ?? '/', 'http://here');
  const [, tenant = '', what = ''] = /^\/tenant\/([^/]+)(?:\/([a-z-]+))?$/.exec(url.pathname) ?? [];
  const call = `${request.method} ${tenant === '' ? url.pathname : what}`;
  if (call === 'GET /healthz' || call === 'GET /readyz') return { ready: true, checks: {} };
  const tenantId = decodeURIComponent(tenant);
  const jobId = url.searchParams.get('job_id');
  const allow = (action: string) => checkToken(request, setting, { action, tenantId, jobId });

  if (call === 'GET /deletion-manifest') {
    await allow('manifest');
    const tables = [{ table: TABLE, action: 'delete', owned_by: 'tenant_id' }];
    const nothing = { unaccepted_tables: [], findings: [], open_jobs: [] };
    const what = { service_name: name, protocol_version: '1', reversible: false, fence: 'none' };
    return { ...what, plan_hash: PLAN_HASH, tables, ...nothing };
  }
  if (call === 'GET deletion-preview') {
    await allow('preview');
    const rows = await count(pool, tenantId);
    const tables = [{ table: TABLE, action: 'delete', rows, owned_by: 'tenant_id' }];
    const what = { tenant_id: tenantId, service_name: name, plan_hash: PLAN_HASH, reversible: false };
    return { ...what, total_rows: rows, tables, findings: [] };
  }
  if (call === 'GET verification') {
    await allow('verification');
    const rows = await count(pool, tenantId);
    const tables = [{ table: TABLE, live_rows: rows, archived_rows: 0 }];
    const what = {
      tenant_id: tenantId,
      job_id: jobId,
      service_name: name,
      clean: rows === 0,
      rows_left: rows,
    };
    const horizon = { horizon: null, horizon_passed: true, waiting_for: null };
    return { ...what, tables, ...horizon, verified_at: new Date().toISOString() };
  }
  if (call === 'DELETE ') {
    await allow('purged');
    if (!jobId || !UUID.test(jobId)) throw new Refusal(422, 'validation_failed', 'job_id should be a UUID.');
    const deleted_counts = { [TABLE]: await deleteCards(pool, tenantId, jobId) };
    return { tenant_id: tenantId, service_name: name, success: true, deleted_counts, errors: [] };
  }
  throw new Refusal(404, 'route_unknown', 'There is nothing at this address.');
}

async function checkToken(
  request: IncomingMessage,
  { name, issuer, keys }: Setting,
  wanted: { action: string; tenantId: string; jobId: string | null },
): Promise<void> {
  const token = request.headers.authorization?.replace(/^Bearer /i, '') ?? '';
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['EdDSA'],
    typ: 'lethe-service+jwt',
    issuer,
    audience: name,
    maxTokenAge: 60,
    clockTolerance: 5,
    requiredClaims: ['exp', 'iat', 'jti', 'action'],
  }).catch(() => {
    throw new Refusal(401, 'unauthenticated', 'The token is missing, expired, or not for this service.');
  });
  if (Number(payload.exp) - Number(payload.iat) > 60) throw new Refusal(401, 'unauthenticated', 'Too long.');
  const changes = wanted.action === 'purged';
  const job = wanted.jobId !== null && (changes || payload.job_id !== undefined);
  if (
    payload.action !== wanted.action ||
    (wanted.tenantId !== '' && payload.tenant_id !== wanted.tenantId) ||
    (job && payload.job_id !== wanted.jobId)
  ) {
    throw new Refusal(403, 'forbidden', 'The token is for another action, tenant or job.');
  }
}

async function count(pool: Pool, tenantId: string): Promise<number> {
  const sql = `SELECT count(*)::int AS rows FROM ${TABLE} WHERE tenant_id = $1`;
  return (await pool.query<{ rows: number }>(sql, [tenantId])).rows[0]?.rows ?? 0;
}

/** One statement: the rows go, and the job's count with them. The same request again adds nothing. */
async function deleteCards(pool: Pool, tenantId: string, jobId: string): Promise<number> {
  const sql = `WITH gone AS (DELETE FROM ${TABLE} WHERE tenant_id = $1 RETURNING 1)
    INSERT INTO loyalty.deletions AS d (tenant_id, job_id, cards) SELECT $1, $2, count(*) FROM gone
    ON CONFLICT (tenant_id, job_id) DO UPDATE SET cards = d.cards + excluded.cards RETURNING cards`;
  return (await pool.query<{ cards: number }>(sql, [tenantId, jobId])).rows[0]?.cards ?? 0;
}
