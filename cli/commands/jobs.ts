import { jobPage, jobView, replayedJobs } from '../../protocol/jobs.js';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { printJob, statusText } from '../job-view.js';
import { watchJob } from '../watch.js';

export interface ListOptions {
  readonly status?: string;
  readonly tenant?: string;
  readonly service?: string;
  readonly from?: string;
  readonly to?: string;
  readonly overdue?: boolean;
  readonly limit: string;
  readonly cursor?: string;
}

const jobPath = (id: string) => `/api/v1/deletion-jobs/${encodeURIComponent(id)}`;

/** `lethe jobs list`: newest first, a page at a time. */
export const listJobs: Command<ListOptions> = async ({ api, out }, options) => {
  const query = new URLSearchParams({ limit: options.limit });
  for (const [name, value] of [
    ['status', options.status],
    ['tenant_id', options.tenant],
    ['service', options.service],
    ['from', options.from],
    ['to', options.to],
    ['cursor', options.cursor],
  ] as const) {
    if (value !== undefined) query.set(name, value);
  }
  if (options.overdue) query.set('overdue', 'true');
  const page = await api.call(jobPage, 'GET', `/api/v1/deletion-jobs?${query}`);
  out.document(page);
  if (page.jobs.length === 0) {
    out.line('No deletion job fits.');
    return EXIT.ok;
  }
  out.table(
    ['job', 'tenant', 'status', 'phase', 'rows', 'requested'],
    page.jobs.map((job) => [
      job.job_id,
      job.tenant_id,
      statusText(out, job.status),
      job.phase,
      job.rows_total ?? 0,
      job.requested_at,
    ]),
  );
  if (page.next_cursor) out.line(`\nMore: the same command with --cursor ${page.next_cursor}`);
  return EXIT.ok;
};

/** `lethe jobs show ID`. */
export const showJob: Command<object, [id: string]> = async ({ api, out }, _options, id) => {
  const job = await api.call(jobView, 'GET', jobPath(id));
  out.document(job);
  printJob(out, job);
  return EXIT.ok;
};

/** `lethe jobs watch ID`. */
export const watch: Command<object, [id: string]> = (context, _options, id) => watchJob(context, id);

/** `lethe jobs cancel ID`: everything comes back; refused once there is no way back. */
export const cancelJob: Command<object, [id: string]> = async ({ api, out }, _options, id) => {
  const job = await api.call(jobView, 'POST', `${jobPath(id)}/cancel`, {});
  out.document(job);
  out.line(
    job.status === 'cancelled'
      ? 'Cancelled; everything is back.'
      : `Cancelled. Whatever was moved comes back: lethe jobs watch ${job.job_id}`,
  );
  return EXIT.ok;
};

export interface ReplayOptions {
  readonly tenant?: string;
  readonly status?: string;
  readonly service?: string;
  readonly from?: string;
  readonly to?: string;
  readonly dryRun?: boolean;
}

/** `lethe jobs replay ID`, or every job that fits a filter. */
export const replayJobs: Command<ReplayOptions, [id?: string]> = async ({ api, out }, options, id) => {
  if (id !== undefined) {
    const job = await api.call(jobView, 'POST', `${jobPath(id)}/replay`, {});
    out.document(job);
    out.line(
      job.job_id === id
        ? `Job ${id} tries again now: lethe jobs watch ${id}`
        : `Runs again as job ${job.job_id}: lethe jobs watch ${job.job_id}`,
    );
    return EXIT.ok;
  }
  const filter = {
    tenant_id: options.tenant,
    status: options.status,
    service: options.service,
    from: options.from,
    to: options.to,
  };
  if (Object.values(filter).every((value) => value === undefined)) {
    throw new UsageError(
      'Name a job, or a filter (--tenant, --status, --service, --from, --to): a replay of everything is not offered.',
    );
  }
  const replayed = await api.call(replayedJobs, 'POST', '/api/v1/deletion-jobs/replay', {
    ...filter,
    ...(options.dryRun ? { dry_run: true } : {}),
  });
  out.document(replayed);
  if (replayed.jobs.length === 0) {
    out.line('No job fits.');
    return EXIT.ok;
  }
  const how = (job: { replay_of: string | null }) =>
    job.replay_of === null
      ? 'the same job goes on'
      : options.dryRun
        ? 'as a new job'
        : `replays ${job.replay_of}`;
  out.table(
    ['job', 'tenant', 'how'],
    replayed.jobs.map((job) => [job.job_id, job.tenant_id, how(job)]),
  );
  if (options.dryRun) out.line('\nNothing was started: this was a dry run.');
  return EXIT.ok;
};
