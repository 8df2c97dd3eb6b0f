import { describe, expect, it } from 'vitest';
import { exitOf, printJob, progressLine, waitText } from '../../../cli/job-view.js';
import { createOutput } from '../../../cli/output.js';
import { JOB_STATUSES } from '../../../protocol/jobs.js';
import { jobOf, serviceOf } from '../../support/jobs.js';

function printed(job: Parameters<typeof printJob>[1]): string {
  let text = '';
  const write = (part: string) => {
    text += part;
  };
  printJob(createOutput({ json: false, colours: false, stream: { write } }), job);
  return text;
}

describe('a job in words', () => {
  it('stands for an exit status', () => {
    expect(Object.fromEntries(JOB_STATUSES.map((status) => [status, exitOf(status)]))).toEqual({
      pending: 0,
      in_progress: 0,
      waiting: 0,
      needs_attention: 4,
      compensating: 0,
      completed: 0,
      compensated: 3,
      cancelled: 3,
      refused: 3,
    });
  });

  it('says what it waits for, until when, and who can end it', () => {
    const job = jobOf({
      status: 'waiting',
      phase: 'window',
      waiting_for: {
        kind: 'window',
        since: '2026-11-24T12:00:00.000Z',
        until: '2026-11-27T12:00:00.000Z',
        who_can_act: 'owner or operator',
        next_action: 'cancel brings everything back',
      },
    });
    expect(waitText(job)).toBe(
      'waits for window until 2026-11-27T12:00:00.000Z; cancel brings everything back (owner or operator)',
    );
    expect(
      progressLine({ ...job, rows_total: 9_000, services: [serviceOf('orders', { rows_done: 1_200 })] }),
    ).toBe(`waiting, window: 1,200 of 9,000 rows; ${waitText(job)}`);
  });

  it('names the service, the table and what PostgreSQL said, and what to do next', () => {
    const text = printed(
      jobOf({
        status: 'refused',
        phase: 'ended',
        ended_at: '2026-11-24T12:00:03.000Z',
        outcome: 'Nothing was touched.',
        services: [
          serviceOf('notification', {
            state: 'absent',
            last_error: {
              code: 'privilege_missing',
              message: 'lethe_notification may not delete',
              table: 'notification.notifications',
              privilege: 'DELETE',
              sqlstate: '42501',
              at: '2026-11-24T12:00:02.000Z',
            },
          }),
        ],
      }),
    );
    expect(text).toContain(
      'notification: privilege_missing: lethe_notification may not delete [notification.notifications, DELETE, SQLSTATE 42501]',
    );
    expect(text).toContain('not needed: nothing is deleted');
    expect(text).toContain('after 3s');
    expect(text).toContain('lethe jobs replay 0190b0a4-0000-7000-8000-00000000000a');
  });

  it('says of a completed job how much is gone, and nothing of errors that it got over', () => {
    const error = {
      code: 'database_busy',
      message: 'lock',
      table: null,
      privilege: null,
      sqlstate: '55P03',
      at: '2026-11-24T12:00:02.000Z',
    };
    const text = printed(
      jobOf({
        status: 'completed',
        phase: 'ended',
        ended_at: '2026-11-24T12:01:00.000Z',
        rows_deleted: 20_000,
        services: [serviceOf('orders', { state: 'purged', rows_done: 20_000, last_error: error })],
      }),
    );
    expect(text).toContain('20,000 rows are deleted, and nothing is left.');
    expect(text).toContain('none: the rows are gone for good');
    expect(text).not.toContain('database_busy');
    expect(text).not.toContain('replay');
  });

  it('says what is retained on which ground, until when, and what stays', () => {
    const law = { ground: 'tax law', retain_until: '2036-01-01T00:00:00.000Z' };
    const counts = [
      { table: 'orders.invoices', rows: 300, deleted: 0, retained: 300, ...law },
      {
        table: 'orders.orders',
        rows: 1_000,
        deleted: 800,
        retained: 200,
        ...law,
        retain_until: '2037-01-01T00:00:00.000Z',
      },
      { table: 'orders.visits', rows: 0, anonymized: 40 },
      { table: 'orders.ledgers', rows: 0, kept: 7 },
    ];
    const text = printed(
      jobOf({
        status: 'completed',
        phase: 'ended',
        ended_at: '2026-11-24T12:01:00.000Z',
        rows_deleted: 1_300,
        services: [serviceOf('orders', { state: 'purged', rows_done: 1_300, counts })],
      }),
    );
    expect(text).toContain('800 rows are deleted, 500 are retained, and nothing else is left.');
    expect(text).toContain('500 rows retained, the last until 2037-01-01: tax law');
    expect(text).toContain("40 rows stay and are nobody's");
    expect(text).toContain('7 rows are kept as they are');
  });

  it('does not say that nothing is left where a service was waived, and where the export is', () => {
    const waiver = {
      service: 'loyalty',
      waiver_id: '01990000-0000-7000-8000-000000000001',
      reason: 'switched off',
      requested_by: 'one',
      approved_by: 'another',
      phase: 'purge',
      at: '2026-11-24T12:00:02.000Z',
    };
    const made = {
      state: 'made' as const,
      bytes: 10,
      rows: 1_200,
      sha256: 'f'.repeat(64),
      made_at: '2026-11-24T12:00:02.000Z',
      expires_at: '2026-12-01T12:00:02.000Z',
    };
    const job = jobOf({
      status: 'completed',
      phase: 'ended',
      ended_at: '2026-11-24T12:01:00.000Z',
      rows_deleted: 5,
      services: [serviceOf('orders', { state: 'purged', rows_done: 5 })],
      waivers: [waiver],
      export: made,
    });
    const text = printed(job);
    expect(text).toContain('nobody knows what is left where it was waived');
    expect(text).not.toContain('nothing is left');
    expect(text).toContain('waived     loyalty from purge on, by one and another: switched off');
    expect(text).toContain(`1,200 rows, until ${made.expires_at}: lethe jobs export ${job.job_id}`);
    expect(printed({ ...job, export: { ...made, state: 'expired' } })).toContain('export     expired');
  });

  it('says who blocks a service', () => {
    const waiting_for = {
      kind: 'lock' as const,
      since: '2026-11-24T12:00:00.000Z',
      reason: 'canceling statement due to lock timeout (55P03) on notification.notifications',
      blockers: ['pid 77, user reporting'],
    };
    expect(printed(jobOf({ services: [serviceOf('notification', { waiting_for })] }))).toContain(
      'notification waits for lock: canceling statement due to lock timeout (55P03) on notification.notifications (pid 77, user reporting)',
    );
  });
});
