/**
 * Tells the receivers what became of jobs, by the Standard Webhooks scheme: at least once, each job's notices in their
 * order, for days. No saga waits for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type NoticeBody, noticeBody } from '../protocol/portability.js';
import { publicKeyOrNull } from '../protocol/tenant-key.js';
import type { DueNotice, PortabilityRecords } from './portability-types.js';
import type { Records } from './types.js';
import { createWebhookSender, namedReceivers } from './webhooks.js';

export interface NotifierOptions {
  readonly records: Pick<
    PortabilityRecords,
    'dueNotices' | 'noticeDelivered' | 'noticeFailed' | 'forgetNotices'
  > &
    Pick<Records, 'withAdvisoryLock'>;
  /** Null: nobody is told, and what would have been told is forgotten after a while. */
  readonly receivers: { readonly urls: readonly string[]; readonly secret: string } | null;
  readonly publicKeyOf: (tenantId: string) => string;
  readonly everyMs?: number;
  readonly timeoutMs?: number;
  readonly logger: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
  };
}

export interface Notifier {
  /** Tells what is due; gives how many were taken, or null where another process is at it. */
  runOnce(): Promise<number | null>;
  /** Again and again, in one process at a time. */
  start(): void;
  stop(): Promise<void>;
}

const LOCK = 'notifier';
const EVERY_MS = 2_000;
const LOCK_EVERY_MS = 10_000;
const AT_ONCE = 16;
const TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 3_600_000;
/** After the first attempts, hourly: about five days. */
const MOST_ATTEMPTS = 130;
const KEPT_MS = 14 * 24 * 3_600_000;
const FORGET_EVERY_MS = 3_600_000;

export function createNotifier(options: NotifierOptions): Notifier {
  const { records, receivers: told, logger, everyMs = EVERY_MS, timeoutMs = TIMEOUT_MS } = options;
  const stopping = new AbortController();
  const secret = told?.secret ?? '';
  const receivers = namedReceivers(told?.urls ?? []);
  const names = receivers.map(({ name }) => name);
  const sender = createWebhookSender({ timeoutMs, connections: AT_ONCE });
  let loop: Promise<void> = Promise.resolve();
  let forgotAt = 0;

  async function deliver(notice: DueNotice): Promise<boolean> {
    const to = receivers.find(({ name }) => notice.receiver === null || notice.receiver === name);
    if (to === undefined) return false;
    const body = JSON.stringify(bodyOf(notice, options.publicKeyOf));
    const { failure } = await sender.send({ id: notice.messageId, url: to.url, secret, body });
    if (failure === null) {
      await records.noticeDelivered(notice.noticeId);
      return true;
    }
    const retryInMs = retryAfter(notice.attempts);
    await records.noticeFailed(notice.noticeId, failure, retryInMs);
    const facts = {
      message_id: notice.messageId,
      receiver: to.name,
      job_id: notice.jobId,
      attempts: notice.attempts,
      reason: failure,
    };
    if (retryInMs === null) logger.warn(facts, 'The receiver was not told, and will not be any more.');
    else logger.info(facts, 'The receiver was not told; it is tried again.');
    return false;
  }

  async function tellDue(): Promise<number> {
    let taken = 0;
    // A job's next notice is due as soon as the one before was taken.
    while (receivers.length > 0 && !stopping.signal.aborted) {
      const due = await records.dueNotices(AT_ONCE, 3 * timeoutMs, names);
      const done = await Promise.all(due.map(deliver));
      taken += done.filter(Boolean).length;
      if (!done.some(Boolean)) break;
    }
    if (Date.now() - forgotAt > FORGET_EVERY_MS) {
      await records.forgetNotices(KEPT_MS);
      forgotAt = Date.now();
    }
    return taken;
  }

  const pause = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined);

  async function again(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        // Kept for as long as this process lives; whoever comes too late looks again now and then.
        await records.withAdvisoryLock(LOCK, async () => {
          while (!stopping.signal.aborted) {
            await tellDue();
            await pause(receivers.length === 0 ? FORGET_EVERY_MS : everyMs);
          }
        });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn({ reason }, 'What is to be told was not read; it is tried again.');
      }
      await pause(LOCK_EVERY_MS);
    }
  }

  return {
    runOnce: () => records.withAdvisoryLock(LOCK, tellDue),
    start() {
      loop = again();
    },
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      await loop;
      await sender.close();
    },
  };
}

/** Null once it is given up. Doubled each time, with some chance in it, so that not all come back at once. */
export function retryAfter(attempts: number): number | null {
  if (attempts >= MOST_ATTEMPTS) return null;
  const doubled = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LONGEST_RETRY_MS);
  return Math.round(doubled * (0.8 + 0.4 * Math.random()));
}

function bodyOf(notice: DueNotice, publicKeyOf: (tenantId: string) => string): NoticeBody {
  return noticeBody.parse({
    type: notice.kind,
    timestamp: notice.at.toISOString(),
    data: { ...notice.facts, job_id: notice.jobId, tenant: publicKeyOrNull(publicKeyOf, notice.tenantId) },
  });
}
