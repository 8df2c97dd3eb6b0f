/** What a run knows and how it says it. Pure. */
import type { Fault, JobState } from '../activities/types.js';
import type { AbortCause, Decision, EndedStatus, JobPhase, JobStatus, WaitingFor } from '../protocol/jobs.js';

/** What the `status` query answers, and what the current details in Temporal's UI say. */
export interface SagaView {
  readonly job_id: string;
  readonly status: JobStatus;
  readonly phase: JobPhase;
  readonly decision: Decision | null;
  readonly waiting_for: WaitingFor | null;
  /** Services that wait for a person or for the next try, and why. */
  readonly attention: readonly string[];
  /** Temporal was asked to cancel when there was no way back any more. */
  readonly cancel_ignored: boolean;
}

const MOST_NAMED = 20;
const LONGEST_SENTENCE = 2_000;

/** `the platform` where no service is at fault. */
export function describeFault({ service, code, table, privilege, sqlstate }: Fault): string {
  const facts = [privilege, sqlstate, table === null ? null : `on ${table}`].filter((fact) => fact !== null);
  const more = facts.length > 0 ? ` (${facts.join(' ')})` : '';
  return `${service ?? 'the platform'}: ${code}${more}`;
}

/** Short enough for a failure message, which Temporal cuts at 4 KiB. */
export function describeFaults(faults: readonly Fault[]): string {
  const named = faults.slice(0, MOST_NAMED).map(describeFault).join('; ');
  const more = faults.length > MOST_NAMED ? `; and ${faults.length - MOST_NAMED} more` : '';
  return `${named}${more}`.slice(0, LONGEST_SENTENCE);
}

/** The cause fixes the end; that nothing was touched is only said where nothing was. */
export function endOf(cause: AbortCause | null, touched: boolean): Exclude<EndedStatus, 'completed'> {
  if (cause === 'cancel') return 'cancelled';
  return cause === 'refusal' && !touched ? 'refused' : 'compensated';
}

export function outcomeOf(
  status: EndedStatus,
  { services, waived = [] }: Pick<JobState, 'services' | 'waived'>,
  faults: readonly Fault[],
): string {
  const without =
    waived.length === 0 ? '' : ` Nobody knows what is left at ${waived.join(', ')}, which was waived.`;
  const because = faults.length > 0 ? ` ${describeFaults(faults)}.` : '';
  switch (status) {
    case 'completed':
      return without === ''
        ? `All ${services.length} services have deleted the tenant's rows, and nothing is left.`
        : `The other services have deleted the tenant's rows, and nothing is left there.${without}`;
    case 'cancelled':
      return `Cancelled before the point of no return; every row is back.${without}`;
    case 'refused':
      return `Nothing was touched, since it could not work.${because}`;
    case 'compensated':
      return `It failed, and every row is back.${because}${without}`;
  }
}

/** Everything is deleted and verified by then, so this alone is to be mended. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  signing_key_missing:
    'Put a certificate key into SIGNING_KEYS_DIR of the worker (docs/certificate.md). It is tried again by itself, or at once on replay.',
  not_verified:
    'The records do not show every service purged and verified: see states and verified_at of the job’s services, and its audit trail. It is tried again by itself, or at once on replay.',
};

/** What a job that cannot go on by itself waits for. */
export function attentionOf(faults: readonly Fault[], since: string, until: string): WaitingFor {
  const uncertified = CERTIFICATE_FAULTS[faults.find(({ code }) => code in CERTIFICATE_FAULTS)?.code ?? ''];
  if (uncertified !== undefined) {
    return { kind: 'certificate', since, until, who_can_act: 'operator', next_action: uncertified };
  }
  const conflict = faults.some((fault) => fault.code === 'restore_conflict');
  const older = faults.some((fault) => fault.olderTransaction);
  const services = faults.map((fault) => fault.service ?? 'the platform').join(', ');
  return {
    kind: conflict ? 'restore_conflict' : older ? 'older_transaction' : 'service',
    since,
    until,
    who_can_act: 'operator',
    next_action: conflict
      ? `Remove what stands in the way of the rows of ${services}, as last_error says; then replay.`
      : `Mend what last_error says of ${services}; it is tried again by itself, or at once on replay.`,
  };
}

export function renderDetails(view: SagaView): string {
  const { waiting_for: waiting } = view;
  const until = waiting?.until ? ` until ${waiting.until}` : '';
  return [
    `**${view.status}** in step **${view.phase}**`,
    view.decision === null ? 'Everything can still be brought back.' : `Decision: ${view.decision}`,
    ...(waiting ? [`Waits for ${waiting.kind}${until}. ${waiting.next_action}`] : []),
    ...view.attention.map((line) => `- ${line}`),
    ...(view.cancel_ignored
      ? ['A cancel request came when there was no way back any more: noted, and the deletion goes on.']
      : []),
  ].join('\n\n');
}

/** Services of a job by what they can do. */
export function participantsOf(job: JobState) {
  const participants = job.services.filter((service) => service.role === 'participant');
  return {
    reversible: participants.filter((service) => service.reversible).map((service) => service.name),
    simple: participants.filter((service) => !service.reversible).map((service) => service.name),
    directory: job.services.find((service) => service.role === 'tenant_directory')?.name ?? null,
    all: job.services.map((service) => service.name),
  };
}
