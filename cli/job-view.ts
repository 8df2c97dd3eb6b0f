/** A job in words: one line, or all of it. */
import { formatDuration } from '../protocol/duration.js';
import type { JobService, JobStatus, JobView } from '../protocol/jobs.js';
import { EXIT } from './exit-codes.js';
import { count, type Output } from './output.js';

const COLOURS: Record<JobStatus, 'green' | 'red' | 'yellow' | 'cyan'> = {
  pending: 'cyan',
  in_progress: 'cyan',
  waiting: 'yellow',
  needs_attention: 'red',
  compensating: 'yellow',
  completed: 'green',
  compensated: 'yellow',
  cancelled: 'yellow',
  refused: 'red',
};

/** The exit status that a job's state stands for. */
export function exitOf(status: JobStatus): number {
  if (status === 'needs_attention') return EXIT.needsAttention;
  return ['compensated', 'cancelled', 'refused'].includes(status) ? EXIT.notDeleted : EXIT.ok;
}

export function statusText(out: Output, status: JobStatus): string {
  return out.colour(status, COLOURS[status]);
}

/** What a job waits for, until when, and who can end it; null where it waits for nothing. */
export function waitText(job: JobView): string | null {
  const wait = job.waiting_for;
  if (!wait) return null;
  const until = wait.until ? ` until ${wait.until}` : '';
  return `waits for ${wait.kind.replaceAll('_', ' ')}${until}; ${wait.next_action} (${wait.who_can_act})`;
}

export function serviceErrorText(service: JobService): string | null {
  const error = service.last_error;
  if (!error) return null;
  const where = [error.table, error.privilege, error.sqlstate && `SQLSTATE ${error.sqlstate}`].filter(
    Boolean,
  );
  return `${error.code}: ${error.message}${where.length > 0 ? ` [${where.join(', ')}]` : ''}`;
}

/** All of a job, for a person. */
export function printJob(out: Output, job: JobView): void {
  out.line(`${out.strong(`Deletion job ${job.job_id}`)}`);
  out.line(`  tenant     ${job.tenant_id}`);
  out.line(`  status     ${statusText(out, job.status)} ${out.dim(`(phase ${job.phase})`)}`);
  out.line(`  way back   ${wayBack(job)}`);
  const wait = waitText(job);
  if (wait) out.line(`  waiting    ${wait}`);
  if (job.outcome) out.line(`  outcome    ${job.outcome}`);
  out.line(
    `  requested  ${job.requested_at} by ${job.requested_by}${job.overdue ? out.colour('  OVERDUE', 'red') : ''}`,
  );
  if (job.restore_window_ms > 0) out.line(`  window     ${formatDuration(job.restore_window_ms)}`);
  if (job.replay_of) out.line(`  replays    ${job.replay_of}`);
  if (job.ended_at) out.line(`  ended      ${job.ended_at}`);
  if (job.services.length === 0) return;
  out.line();
  out.table(
    ['service', 'state', 'rows', 'attempts'],
    job.services.map((service) => [service.name, service.state, service.rows_done, service.attempts]),
  );
  for (const service of job.services) {
    const error = serviceErrorText(service);
    if (error) out.line(`\n  ${out.colour(service.name, 'red')}: ${error}`);
  }
}

function wayBack(job: JobView): string {
  if (job.ended_at)
    return job.status === 'completed' ? 'none: the rows are gone for good' : 'not needed: nothing is deleted';
  return job.reversible ? 'yes: one cancel brings everything back' : 'none any more';
}

/** One line on where a job stands; what `watch` prints where there is no terminal. */
export function progressLine(job: JobView): string {
  const done = job.services.reduce((sum, service) => sum + service.rows_done, 0);
  const total = job.rows_total === null ? '' : ` of ${count(job.rows_total)}`;
  const wait = waitText(job);
  return `${job.status}, ${job.phase}: ${count(done)}${total} rows${wait ? `; ${wait}` : ''}`;
}
