/** Stays with a job until it ends or needs a person, and shows how it goes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Listr, type ListrTaskWrapper } from 'listr2';
import { hasEnded, type JobService, type JobView, jobView } from '../protocol/jobs.js';
import { ApiUnreachable } from './api-client.js';
import type { CommandContext } from './context.js';
import { exitOf, printJob, progressLine, serviceErrorText, waitText } from './job-view.js';
import { count } from './output.js';

const EVERY_MS = 500;
/** The API may restart while somebody watches; its absence ends the watch only when it lasts. */
const PATIENCE_MS = 60_000;

/** Gives the exit status of the state in which the watch ended. */
export async function watchJob({ api, out }: CommandContext, jobId: string): Promise<number> {
  const poll = createPoll(() =>
    api.call(jobView, 'GET', `/api/v1/deletion-jobs/${encodeURIComponent(jobId)}`),
  );
  const job = out.json || !process.stdout.isTTY ? await watchLines(poll, out.line) : await watchScreen(poll);
  out.document(job);
  out.line();
  if (!out.json) printJob(out, job);
  return exitOf(job.status);
}

type Poll = (each: (job: JobView) => void) => Promise<JobView>;

function createPoll(read: () => Promise<JobView>): Poll {
  return async (each) => {
    let silentSince: number | null = null;
    for (;;) {
      try {
        const job = await read();
        silentSince = null;
        each(job);
        if (hasEnded(job.status) || job.status === 'needs_attention') return job;
      } catch (error) {
        if (!(error instanceof ApiUnreachable)) throw error;
        silentSince ??= Date.now();
        if (Date.now() - silentSince > PATIENCE_MS) throw error;
      }
      await sleep(EVERY_MS);
    }
  };
}

async function watchLines(poll: Poll, line: (text: string) => void): Promise<JobView> {
  let last = '';
  return poll((job) => {
    const text = progressLine(job);
    if (text !== last) line(text);
    last = text;
  });
}

async function watchScreen(poll: Poll): Promise<JobView> {
  const watched: { job: JobView | null } = { job: null };
  const list = new Listr(
    [
      {
        title: 'Reading the job',
        task: async (_, task) => {
          watched.job = await poll((job) => show(task, job));
        },
      },
    ],
    { rendererOptions: { collapseSubtasks: false } },
  );
  await list.run();
  if (!watched.job) throw new Error('The watch ended without a job.');
  return watched.job;
}

function show(task: ListrTaskWrapper<unknown, never, never>, job: JobView): void {
  task.title = `${job.status} · ${job.phase}`;
  const lines = job.services.map(serviceLine);
  const wait = waitText(job);
  if (wait) lines.push(wait);
  task.output = lines.join('\n');
}

function serviceLine(service: JobService): string {
  const total = service.rows_total ?? 0;
  const share = total === 0 ? 0 : Math.min(1, service.rows_done / total);
  const bar = '█'.repeat(Math.round(share * 16)).padEnd(16, '░');
  const blocked = service.waiting_for ? ` waits for ${service.waiting_for.blockers.join(', ')}` : '';
  const error = service.state === 'purged' || service.state === 'restored' ? null : serviceErrorText(service);
  return `${service.name.padEnd(18)} ${bar} ${count(service.rows_done).padStart(11)} ${service.state}${blocked}${error ? ` (${error})` : ''}`;
}
