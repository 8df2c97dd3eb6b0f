/** What receivers are to be told: written in the transaction of what it tells, and claimed by whoever delivers it. */
import { NOTICE_KINDS, type NoticeKind, type NoticeView } from '../protocol/portability.js';
import type { Client, Database } from './database.js';
import type { Notice, PortabilityRecords } from './portability-types.js';
import { claimNotices, splitNotices } from './sql.js';

type NoticeRecords = Pick<
  PortabilityRecords,
  'tell' | 'dueNotices' | 'noticeDelivered' | 'noticeFailed' | 'undeliveredNotices' | 'forgetNotices'
>;

const LONGEST_ERROR = 500;

/** In the client's transaction. */
export async function writeNotice(client: Client, { kind, jobId, tenantId, facts }: Notice): Promise<void> {
  await client.notice.create({
    data: { stream: jobId ?? `tenant ${tenantId}`, kind, jobId, tenantId, facts: { ...facts } },
    select: { noticeId: true },
  });
}

export function noticeRecords(database: Database): NoticeRecords {
  return {
    tell: (notice) => database.read((client) => writeNotice(client, notice)),

    dueNotices: async (limit, leaseMs, receivers = []) => {
      const [first, ...others] = receivers;
      if (first !== undefined && others.length > 0) {
        await database.read((client) => splitNotices(client, first, others));
      }
      const rows = await database.sqlRead((client) => claimNotices(client, limit, leaseMs, receivers));
      return rows.map(({ kind, ...row }) => ({ ...row, kind: kindOf(kind) }));
    },

    noticeDelivered: async (noticeId) => {
      await database.read((client) =>
        client.notice.update({
          where: { noticeId },
          data: { deliveredAt: new Date(), lastError: null },
          select: { noticeId: true },
        }),
      );
    },

    noticeFailed: async (noticeId, error, retryInMs) => {
      const now = Date.now();
      await database.read((client) =>
        client.notice.update({
          where: { noticeId },
          data: {
            lastError: error.slice(0, LONGEST_ERROR),
            ...(retryInMs === null ? { givenUpAt: new Date(now) } : { nextAt: new Date(now + retryInMs) }),
          },
          select: { noticeId: true },
        }),
      );
    },

    undeliveredNotices: async (limit) => {
      const rows = await database.read((client) =>
        client.notice.findMany({ where: { deliveredAt: null }, orderBy: { noticeId: 'desc' }, take: limit }),
      );
      return rows.map(
        (row): NoticeView => ({
          message_id: row.messageId,
          type: row.kind,
          receiver: row.receiver,
          job_id: row.jobId,
          at: row.at.toISOString(),
          attempts: row.attempts,
          next_at: row.givenUpAt === null ? row.nextAt.toISOString() : null,
          last_error: row.lastError,
          given_up_at: row.givenUpAt?.toISOString() ?? null,
        }),
      );
    },

    forgetNotices: async (olderThanMs) => {
      const before = new Date(Date.now() - olderThanMs);
      const { count } = await database.read((client) =>
        client.notice.deleteMany({ where: { at: { lt: before } } }),
      );
      return count;
    },
  };
}

function kindOf(stored: string): NoticeKind {
  return NOTICE_KINDS.find((kind) => kind === stored) ?? 'deletion_job.status_changed';
}
