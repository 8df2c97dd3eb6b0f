/** A job in words: one line, or all of it. */
import { formatDuration } from '../protocol/duration.js';
import { hasEnded, type JobService, type JobStatus, type JobView } from '../protocol/jobs.js';
import { EXIT } from './exit-codes.js';
import { type Colour, count, type Output } from './output.js';

const COLOURS: Record<JobStatus, Colour> = {
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

/** The same in a few words, for a line of many. */
export function blockedBriefly(service: JobService): string | null {
  const wait = service.waiting_for;
  if (!wait) return null;
  const [first, ...others] = wait.blockers;
  const blocker =
    first === undefined ? '' : `: ${first}${others.length > 0 ? ` and ${others.length} more` : ''}`;
  return `waits for ${wait.kind.replaceAll('_', ' ')}${wait.kind === 'lock' ? `: ${wait.reason}` : blocker}`;
}

/** What blocks a service, where something does. */
export function blockedText(service: JobService): string | null {
  const wait = service.waiting_for;
  if (!wait) return null;
  const blockers = wait.blockers.length > 0 ? ` (${wait.blockers.join(', ')})` : '';
  return `waits for ${wait.kind.replaceAll('_', ' ')}: ${wait.reason}${blockers}`;
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
  const overdue = job.overdue ? out.colour('  OVERDUE', 'red') : '';
  out.line(`  requested  ${job.requested_at} by ${job.requested_by}${overdue}`);
  if (job.reason) out.line(`  reason     ${job.reason}`);
  if (job.start_at && !hasEnded(job.status)) out.line(`  start      not before ${job.start_at}`);
  if (job.due_at) out.line(`  due        ${job.due_at}`);
  if (job.restore_window_ms > 0) out.line(`  window     ${formatDuration(job.restore_window_ms)}`);
  if (job.reapplies) {
    out.line(`  again      erases what came back at ${job.scope?.join(', ')}; first by ${job.reapplies}`);
  }
  if (job.replay_of) out.line(`  replays    ${job.replay_of}`);
  if (job.continued_by) out.line(`  goes on as ${job.continued_by}`);
  printApproval(out, job);
  printPortability(out, job);
  if (job.ended_at) {
    const took = Date.parse(job.ended_at) - Date.parse(job.requested_at);
    out.line(`  ended      ${job.ended_at}, after ${formatDuration(took)}`);
  }
  printServices(out, job);
  const next = nextStep(job);
  if (next) out.line(`\n${next}`);
}

/** The hash where somebody may have to say something to it, and what was said. */
function printApproval(out: Output, job: JobView): void {
  if (!job.approval_required) return;
  if (job.approval_hash) out.line(`  to approve ${job.approval_hash}`);
  if (job.approval_change) out.line(`  changed    ${out.colour(job.approval_change, 'yellow')}`);
  for (const said of job.approvals) {
    const what = said.approval_hash === job.approval_hash ? said.verdict : `${said.verdict}, what was then`;
    const until = said.expires_at ? `, until ${said.expires_at}` : '';
    out.line(`  ${what} ${said.at} by ${said.by} (${said.role})${until}: ${said.reason}`);
  }
}

/** The file of the tenant's data, and the services that the job went on without. */
function printPortability(out: Output, job: JobView): void {
  const { export: file, waivers = [] } = job;
  if (file?.state === 'made') {
    out.line(
      `  export     ${count(file.rows ?? 0)} rows, until ${file.expires_at}: lethe jobs export ${job.job_id}`,
    );
  } else if (file) {
    out.line(`  export     ${file.state === 'asked' ? 'once everything is staged' : file.state}`);
  }
  for (const { service, phase, reason, requested_by, approved_by } of waivers) {
    const by = `${requested_by} and ${approved_by}`;
    out.line(`  waived     ${out.colour(service, 'red')} from ${phase} on, by ${by}: ${reason}`);
  }
}

function printServices(out: Output, job: JobView): void {
  if (job.services.length === 0) return;
  out.line();
  out.table(
    ['service', 'state', 'rows', 'failed tries', 'fence'],
    job.services.map((service) => [
      service.name,
      service.state,
      service.rows_done,
      service.attempts,
      service.fence ?? '',
    ]),
  );
  if (job.status === 'completed') {
    const stays = whatStays(job);
    const left = job.waivers?.length
      ? 'nobody knows what is left where it was waived'
      : stays.length === 0
        ? 'nothing is left'
        : 'nothing else is left';
    out.line(`\n${out.colour(`${whatWent(job)}, and ${left}.`, 'green')}`);
    for (const line of stays) out.line(line);
  }
  for (const service of job.services) {
    const error = serviceErrorText(service);
    const blocked = blockedText(service);
    if (error && job.status !== 'completed') out.line(`\n  ${out.colour(service.name, 'red')}: ${error}`);
    if (blocked) out.line(`\n  ${out.colour(service.name, 'yellow')} ${blocked}`);
  }
}

function whatWent(job: JobView): string {
  const retained = countsOf(job).reduce((sum, one) => sum + (one.retained ?? 0), 0);
  const deleted = `${count(job.rows_deleted - retained)} rows are deleted`;
  return retained === 0 ? deleted : `${deleted}, ${count(retained)} are retained`;
}

/** A line for each ground, and for what stays otherwise. */
function whatStays(job: JobView): string[] {
  const counts = countsOf(job);
  const grounds = new Map<string, { rows: number; until: string | null }>();
  for (const { retained = 0, ground = '', retain_until: until = null } of counts) {
    if (retained === 0) continue;
    const known = grounds.get(ground);
    const last = known === undefined ? until : later(known.until, until);
    grounds.set(ground, { rows: (known?.rows ?? 0) + retained, until: last });
  }
  const sum = (of: (one: JobService['counts'][number]) => number | undefined) =>
    counts.reduce((all, one) => all + (of(one) ?? 0), 0);
  const anonymized = sum((one) => one.anonymized);
  const kept = sum((one) => one.kept);
  return [
    ...[...grounds].map(
      ([ground, { rows, until }]) =>
        `  ${count(rows)} rows retained${until === null ? '' : `, the last until ${until.slice(0, 10)}`}: ${ground}`,
    ),
    ...(anonymized > 0 ? [`  ${count(anonymized)} rows stay and are nobody's`] : []),
    ...(kept > 0 ? [`  ${count(kept)} rows are kept as they are`] : []),
  ];
}

function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return null;
  return one > other ? one : other;
}

function countsOf(job: JobView): JobService['counts'] {
  return job.services.flatMap(({ counts }) => counts);
}

function wayBack(job: JobView): string {
  if (job.status === 'completed') return 'none: the rows are gone for good';
  if (job.ended_at) return 'not needed: nothing is deleted';
  return job.reversible ? 'yes: one cancel brings everything back' : 'none any more';
}

function nextStep(job: JobView): string | null {
  if (job.waiting_for?.kind === 'approval' && job.approval_hash) {
    return `Somebody other than ${job.requested_by} says: lethe jobs approve ${job.job_id} --hash ${job.approval_hash} --reason TEXT, or reject`;
  }
  if (job.status === 'completed') return `What is certified of it: lethe certificate show ${job.job_id}`;
  const replays =
    job.status === 'needs_attention' || job.status === 'compensated' || job.status === 'refused';
  return replays ? `Once the cause is mended: lethe jobs replay ${job.job_id}` : null;
}

/** Where a job stands, in one line. */
export function progressLine(job: JobView): string {
  const wait = waitText(job);
  return `${job.status}, ${job.phase}: ${rowsText(job)}${wait ? `; ${wait}` : ''}`;
}

export function rowsText(job: JobView): string {
  const done = job.services.reduce((sum, service) => sum + service.rows_done, 0);
  return `${count(done)}${job.rows_total === null ? '' : ` of ${count(job.rows_total)}`} rows`;
}
