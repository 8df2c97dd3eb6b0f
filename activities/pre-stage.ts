/**
 * Receivers that have to agree before anything is staged: sessions closed, the subscription ended, imports stopped. Each
 * is asked until it answers 2xx; 202 means that it is at it, and is asked again.
 */
import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { JobView } from '../protocol/jobs.js';
import { preStageBody } from '../protocol/portability.js';
import { Problem } from '../protocol/problems.js';
import { publicKeyOrNull } from '../protocol/tenant-key.js';
import {
  createWebhookSender,
  namedReceivers,
  type WebhookReceiver,
  type WebhookSender,
} from '../records/webhooks.js';
import type { Parts } from './dependencies.js';
import { DecisionForbids, failureOf, JobHasEnded, JobWaits } from './failures.js';
import { Patience } from './patience.js';
import { calledOff } from './service-call.js';
import type { StepInput } from './types.js';

export interface PreStageSettings {
  readonly receivers: readonly WebhookReceiver[];
  readonly sender: WebhookSender;
  readonly secret: string;
  readonly publicKeyOf: (tenantId: string) => string;
}

/** What takes longer is answered 202. */
const ANSWER_WITHIN_MS = 10_000;
const CONNECTIONS = 16;
const HEARTBEAT_EVERY_MS = 500;
const SOON_MS = 1_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;
const ACCEPTED = 202;

/** Null where nobody has to agree. */
export function createPreStage(options: {
  readonly urls: readonly string[];
  readonly secret: string | undefined;
  readonly publicKeyOf: (tenantId: string) => string;
  readonly timeoutMs?: number;
}): PreStageSettings | null {
  const { urls, secret, publicKeyOf, timeoutMs = ANSWER_WITHIN_MS } = options;
  if (urls.length === 0 || secret === undefined) return null;
  const sender = createWebhookSender({ timeoutMs, connections: CONNECTIONS });
  return { receivers: namedReceivers(urls), secret, publicKeyOf, sender };
}

export function preStageSteps(parts: Parts) {
  const { records, preStage, settings } = parts;

  /** Until it agrees. Throws once it did not for too long, the decision is made, or a hold or the halt stands. */
  async function agreed(
    job: JobView,
    { name, url }: WebhookReceiver,
    number: number,
    patience: Patience,
  ): Promise<void> {
    if (preStage === undefined) return;
    const context = Context.current();
    const since = new Date().toISOString();
    const message = { id: messageIdOf(job.job_id, name), url, secret: preStage.secret };
    let told = false;
    for (let asked = 1; ; asked += 1) {
      const { decision, waitingFor } = await records.heldBack(job.job_id);
      if (decision !== null) throw new DecisionForbids('asked for', decision.decision);
      if (waitingFor !== null)
        throw new JobWaits(`No receiver is asked while the job waits: ${waitingFor.kind}.`);
      const body = JSON.stringify(bodyOf(job, preStage));
      const answer = await preStage.sender.send({ ...message, body }, context.cancellationSignal);
      context.cancellationSignal.throwIfAborted();
      if (answer.failure === null && answer.status !== ACCEPTED) {
        await parts.step(job, 'receiver agreed', { receiver: name, asked });
        if (told) await show(job, number, null);
        return;
      }
      const why = answer.failure ?? `answered ${ACCEPTED}: it is still at it`;
      if (patience.leftMs <= 0) {
        await parts.step(job, 'receiver did not agree', { receiver: name, asked, last: why });
        throw new Problem('receiver_not_ready', `${name} did not agree: ${why}.`);
      }
      told = true;
      const until = new Date(Date.now() + patience.leftMs).toISOString();
      await show(job, number, { name, since, until, why });
      context.log.info('a receiver has not agreed yet', { job_id: job.job_id, receiver: name, asked, why });
      const usual =
        answer.failure === null ? SOON_MS : Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (asked - 1));
      const wanted = Math.max(FIRST_RETRY_MS, answer.retryAfterMs ?? usual);
      await context.sleep(Math.min(wanted, Math.max(FIRST_RETRY_MS, patience.leftMs)));
    }
  }

  async function show(
    job: JobView,
    number: number,
    waits: { name: string; since: string; until: string; why: string } | null,
  ): Promise<void> {
    const order = await parts.order(job.job_id, number);
    await records.updateJob(job.job_id, order, {
      status: waits === null ? 'in_progress' : 'waiting',
      waitingFor: waits && {
        kind: 'receiver',
        since: waits.since,
        until: waits.until,
        who_can_act: `whoever runs ${waits.name}`,
        next_action: `${waits.name} has to answer 2xx before anything is staged (${waits.why}); it is asked again by itself.`,
      },
    });
  }

  return {
    /** The same to be asked again, by this run or another one: the receiver knows the job by the message's id. */
    async askReceiver({ jobId, service: name, number }: StepInput): Promise<void> {
      const job = await parts.openJob(jobId);
      const receiver = preStage?.receivers.find((one) => one.name === name);
      if (receiver === undefined) {
        await parts.step(job, 'receiver not asked', { receiver: name, why: 'not configured any more' });
        return;
      }
      const context = Context.current();
      const patience = new Patience(settings, context.info.heartbeatDetails);
      const beat = () => context.heartbeat(patience.state);
      const heart = setInterval(beat, HEARTBEAT_EVERY_MS);
      beat();
      try {
        await agreed(job, receiver, number, patience);
      } catch (error) {
        if (context.cancellationSignal.aborted) throw calledOff(context);
        const ofTheRecord = [DecisionForbids, JobHasEnded, JobWaits].some((kind) => error instanceof kind);
        if (ofTheRecord) throw failureOf(error);
        throw failureOf(error, { service: name, giveUp: patience.failed(error) });
      } finally {
        clearInterval(heart);
        beat();
      }
    },
  };
}

/** The same for a job and a receiver, however often it is asked; no dot, since that separates what is signed. */
function messageIdOf(jobId: string, receiver: string): string {
  return `pre-stage_${createHash('sha256').update(`${jobId}\n${receiver}`).digest('hex').slice(0, 32)}`;
}

function bodyOf(job: JobView, { publicKeyOf }: PreStageSettings) {
  return preStageBody.parse({
    type: 'deletion_job.pre_stage',
    timestamp: new Date().toISOString(),
    data: { job_id: job.job_id, tenant: publicKeyOrNull(publicKeyOf, job.tenant_id) },
  });
}
