/** The three stories of the demo. Each is told, carried out, and checked against the rows in the database. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { JobView } from '../../protocol/jobs.js';
import type { SeededTenant } from '../../services/sample-data/load.js';
import { type Checksums, differingTables, readChecksums, totalRows } from '../checksums.js';
import { leavingRows } from '../leaving.js';
import type { Platform } from '../platform.js';
import { checkCertificate } from './certificate.js';
import type { DemoApi } from './jobs.js';
import { rowsText, type Screen, secondsSince } from './screen.js';

export interface Stage {
  readonly platform: Platform;
  readonly api: DemoApi;
  readonly screen: Screen;
}

/** How a story came out; what the demo ends with. */
export interface Told {
  readonly story: string;
  readonly job: JobView;
  readonly link: string;
  /** Whether everything was as told. */
  readonly holds: boolean;
}

const LOCKED_SERVICE = 'notification';
const LOCKED_TABLE = 'notification.notifications';

/** Shows what a deletion would remove. Gives whether it is what was seeded. */
export async function showPreview({ api, screen }: Stage, tenant: SeededTenant): Promise<boolean> {
  const begun = Date.now();
  const preview = await api.preview(tenant);
  const took = Date.now() - begun;
  const rows = preview.services.map(({ name, preview: found, error }) => [
    `  ${name}`,
    found?.tables.length ?? 0,
    found?.total_rows ?? 0,
    error ? error.message : (found?.reversible ?? false) ? 'can be brought back' : 'goes last',
  ]);
  screen.out.table(['  service', 'tables', 'rows', ''], rows);
  screen.out.line();
  const refusals = preview.services.flatMap(({ name, preview: found }) =>
    (found?.findings ?? [])
      .filter(({ severity }) => severity === 'refusal')
      .map(({ message }) => `${name}: ${message}`),
  );
  return allHold([
    screen.check(
      preview.total_rows === leavingRows(tenant),
      `${rowsText(preview.total_rows)} would go, as many as were seeded; asked of all services in ${took} ms`,
      `seeded were ${rowsText(leavingRows(tenant))}`,
    ),
    screen.check(refusals.length === 0, 'Nothing stands in the way', refusals.join('; ')),
  ]);
}

/** The first story. */
export async function deleted(stage: Stage, tenant: SeededTenant): Promise<Told> {
  const { api, screen } = stage;
  screen.heading(`Story 1 of 3: ${tenant.name} is deleted`);
  screen.tell(
    'Its owner asks for it, as any caller of the API would:',
    screen.out.dim(`curl -X DELETE -H "authorization: Bearer …" …/api/v1/tenants/${tenant.tenantId}`),
    'Every service moves the rows aside; when all have, they go for good.',
  );
  const others = await checksumsOfOthers(stage, tenant);
  const job = await follow(stage, 'Deleting', () => api.delete(tenant));
  const holds = await checkDeleted(stage, tenant, job, others);
  return { story: `${tenant.name} deleted`, job, link: await api.link(tenant), holds };
}

/** The second story and the third: what failed is brought back, and then goes through. */
export async function failedAndReplayed(stage: Stage, tenant: SeededTenant): Promise<Told[]> {
  const { api, screen, platform } = stage;
  screen.heading(`Story 2 of 3: the deletion of ${tenant.name} fails, and everything comes back`);
  screen.tell(
    `Somebody holds a lock on one table of one service and does not let go:`,
    screen.out.dim(`BEGIN; LOCK TABLE ${LOCKED_TABLE} IN SHARE MODE;`),
    'The other services have moved their rows aside by then. They all have to give them back.',
  );
  const before = await readChecksums({ databaseUrl: platform.databaseUrl });
  const unlock = await holdLock(platform.databaseUrl);
  let failed: Told;
  try {
    const job = await follow(stage, 'Deleting, against the lock', () => api.delete(tenant));
    const holds = await checkBroughtBack(stage, job, before);
    failed = { story: `${tenant.name} failed and restored`, job, link: await api.link(tenant), holds };
  } finally {
    await unlock();
  }

  screen.heading('Story 3 of 3: the lock is gone, and an operator replays the deletion');
  screen.tell(
    screen.out.dim(`curl -X POST -H "authorization: Bearer …" …/deletion-jobs/${failed.job.job_id}/replay`),
  );
  const others = await checksumsOfOthers(stage, tenant);
  const job = await follow(stage, 'Deleting again', () => api.replay(failed.job.job_id));
  const named = screen.check(
    job.replay_of === failed.job.job_id,
    'It is a new job, which names the one that failed',
    `it names ${job.replay_of ?? 'none'}`,
  );
  const holds = await checkDeleted(stage, tenant, job, others);
  const replayed = {
    story: `${tenant.name} replayed`,
    job,
    link: await api.link(tenant),
    holds: named && holds,
  };
  return [failed, replayed];
}

async function follow(
  { api, screen }: Stage,
  title: string,
  begin: () => Promise<JobView>,
): Promise<JobView> {
  const begun = Date.now();
  return screen.step(title, async (show) => {
    const { job_id: jobId } = await begin();
    const job = await api.ended(jobId, show);
    return { value: job, title: `Job ${jobId} is ${job.status} after ${secondsSince(begun)}` };
  });
}

async function checkDeleted(
  stage: Stage,
  tenant: SeededTenant,
  job: JobView,
  othersBefore: Checksums,
): Promise<boolean> {
  const { platform, screen } = stage;
  const { databaseUrl } = platform;
  const left = await readChecksums({ databaseUrl, only: tenant.tenantId });
  const others = await readChecksums({ databaseUrl, except: tenant.tenantId });
  const tables = Object.keys(left);
  const changed = differingTables(othersBefore, others);
  const counts = job.services.flatMap((service) => service.counts);
  const wrong = Object.entries(tenant.rowsOf).filter(([table, rows]) => {
    const count = counts.find((one) => one.table.replaceAll('"', '') === table);
    return count === undefined || count.rows + (count.anonymized ?? 0) !== rows;
  });
  const retained = counts.reduce((sum, one) => sum + (one.retained ?? 0), 0);
  const anonymized = counts.reduce((sum, one) => sum + (one.anonymized ?? 0), 0);
  const unverified = job.services.filter((service) => service.verified_at === null);
  const deleted = allHold([
    screen.check(job.status === 'completed', 'The job ended completed', explained(job)),
    screen.check(
      wrong.length === 0 && job.rows_deleted === leavingRows(tenant),
      `${rowsText(job.rows_deleted)} have left, table by table as many as were seeded`,
      `seeded were ${rowsText(leavingRows(tenant))}; not so in ${wrong.map(([table]) => table).join(', ') || 'the total'}`,
    ),
    screen.check(
      retained > 0 && anonymized > 0,
      `Of these, ${rowsText(retained)} are kept apart, since tax law wants invoices and payments for ten years; ${rowsText(anonymized)} of statistics stay and are nobody's`,
      'nothing was retained or anonymized',
    ),
    screen.check(
      unverified.length === 0,
      `Each of ${job.services.length} services has counted its tables again and found nothing`,
      unverified.map(({ name }) => name).join(', '),
    ),
    screen.check(
      totalRows(left) === 0,
      `SQL finds nothing of it in any of ${tables.length} tables`,
      tables.filter((table) => (left[table]?.rows ?? 0) > 0).join(', '),
    ),
    screen.check(
      changed.length === 0,
      `All ${rowsText(totalRows(others))} of the others are as they were (checksums of ${tables.length} tables)`,
      `changed: ${changed.join(', ')}`,
    ),
  ]);
  const certified = job.status === 'completed' && (await checkCertificate(stage, tenant, job));
  return deleted && certified;
}

async function checkBroughtBack(stage: Stage, job: JobView, before: Checksums): Promise<boolean> {
  const { screen, platform } = stage;
  const after = await readChecksums({ databaseUrl: platform.databaseUrl });
  const changed = differingTables(before, after);
  const blocked = job.services.find(({ name }) => name === LOCKED_SERVICE)?.last_error;
  const restored = job.services.filter(({ state }) => state === 'restored');
  return allHold([
    screen.check(
      job.status === 'compensated',
      'The job ended compensated: nothing is deleted',
      explained(job),
    ),
    screen.check(
      blocked?.message.includes(LOCKED_TABLE) === true || blocked?.table === LOCKED_TABLE,
      `It says why: ${LOCKED_SERVICE}: ${blocked?.message}`,
      `it says ${blocked?.message ?? 'nothing'}`,
    ),
    screen.check(
      restored.length > 0,
      `${restored.length} services had been asked to move rows, and gave them back`,
    ),
    screen.check(
      changed.length === 0,
      `All ${rowsText(totalRows(after))} of all bakeries are exactly as before (checksums of ${Object.keys(after).length} tables)`,
      `changed: ${changed.join(', ')}`,
    ),
  ]);
}

function checksumsOfOthers({ platform }: Stage, tenant: SeededTenant): Promise<Checksums> {
  return readChecksums({ databaseUrl: platform.databaseUrl, except: tenant.tenantId });
}

/** Gives what lets go. */
async function holdLock(databaseUrl: string): Promise<() => Promise<void>> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'lethe demo: holds a lock',
  });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(`BEGIN; LOCK TABLE ${LOCKED_TABLE} IN SHARE MODE`);
  return async () => {
    await client.end();
    // The server lets go when it has noticed.
    await sleep(100);
  };
}

function explained(job: JobView): string {
  const errors = job.services.flatMap(({ name, last_error: error }) =>
    error ? [`${name}: ${error.message}`] : [],
  );
  return [`it is ${job.status}`, job.outcome ?? '', ...errors].filter(Boolean).join('; ');
}

function allHold(checks: readonly boolean[]): boolean {
  return checks.every(Boolean);
}
