/** Stays with a job until it ends or needs a person, and shows how it goes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded, type JobService, type JobView, jobView } from '../protocol/jobs.js';
import { ApiUnreachable } from './api-client.js';
import type { CommandContext } from './context.js';
import { EXIT } from './exit-codes.js';
import {
  blockedBriefly,
  exitOf,
  printJob,
  progressLine,
  rowsText,
  serviceErrorText,
  statusText,
  waitText,
} from './job-view.js';
import { count, type Output, type Screen } from './output.js';

const EVERY_MS = 500;
/** In a pipe, rows alone are worth a line only so often. */
const ROWS_EVERY_MS = 5_000;
/** The API may restart while somebody watches; its absence ends the watch only when it lasts. */
const PATIENCE_MS = 60_000;
const BAR_WIDTH = 16;

/** Gives the exit status of the state in which the watch ended. */
export async function watchJob({ api, out }: CommandContext, jobId: string): Promise<number> {
  const path = `/api/v1/deletion-jobs/${encodeURIComponent(jobId)}`;
  const show = out.screen ? onScreen(out, out.screen) : asLines(out);
  const job = await follow(() => api.call(jobView, 'GET', path), show.job, show.silence);
  show.end();
  out.document(job);
  printJob(out, job);
  return needsSomebody(job) ? EXIT.needsAttention : exitOf(job.status);
}

async function follow(
  read: () => Promise<JobView>,
  each: (job: JobView) => void,
  silence: () => void,
): Promise<JobView> {
  let silentSince: number | null = null;
  for (;;) {
    try {
      const job = await read();
      silentSince = null;
      each(job);
      if (hasEnded(job.status) || needsSomebody(job)) return job;
    } catch (error) {
      if (!(error instanceof ApiUnreachable)) throw error;
      if (silentSince === null) silence();
      silentSince ??= Date.now();
      if (Date.now() - silentSince > PATIENCE_MS) throw error;
    }
    await sleep(EVERY_MS);
  }
}

/** Only a person ends this wait, and may take days. */
function needsSomebody({ status, waiting_for: wait }: JobView): boolean {
  if (status === 'needs_attention') return true;
  return status === 'waiting' && ['approval', 'hold', 'halt'].includes(wait?.kind ?? '');
}

interface Show {
  job(job: JobView): void;
  /** The API does not answer at the moment. */
  silence(): void;
  end(): void;
}

/** For a pipe: a line whenever something happens. */
function asLines(out: Output): Show {
  const began = Date.now();
  const told = new Map<string, string>();
  let rowsAt = 0;
  const say = (text: string) => {
    const seconds = Math.round((Date.now() - began) / 1_000);
    out.line(`${String(seconds).padStart(5)}s  ${text}`);
  };
  const once = (key: string, text: string | null): boolean => {
    if (text === null || told.get(key) === text) return false;
    told.set(key, text);
    return true;
  };
  return {
    job(job) {
      const stands = once('job', `${job.status} ${job.phase} ${waitText(job) ?? ''}`);
      const moved = once('rows', rowsText(job)) && Date.now() - rowsAt > ROWS_EVERY_MS;
      if (stands || moved) {
        rowsAt = Date.now();
        say(progressLine(job));
      }
      for (const service of job.services) {
        // Who blocks may change from one look to the next; that something does is the news.
        const kind = service.waiting_for?.kind ?? service.last_error?.code ?? null;
        const trouble = troubleOf(service);
        if (once(service.name, trouble && kind)) say(`  ${service.name}: ${trouble}`);
      }
    },
    silence: () => say('The API does not answer at the moment; waiting for it.'),
    end: () => out.line(),
  };
}

/** For a terminal: a picture that moves. */
function onScreen(out: Output, screen: Screen): Show {
  return {
    job(job) {
      const wait = waitText(job);
      const back = job.reversible ? 'can be brought back' : 'no way back';
      screen.draw([
        `${out.strong(`Deletion job ${job.job_id}`)}`,
        `${statusText(out, job.status)} · ${job.phase} · ${rowsText(job)} · ${out.dim(back)}`,
        ...(wait ? [out.colour(wait, 'yellow')] : []),
        '',
        ...job.services.map((service) => serviceLine(out, service)),
      ]);
    },
    silence: () => screen.draw(['The API does not answer at the moment; waiting for it.']),
    end: () => screen.clear(),
  };
}

function serviceLine(out: Output, service: JobService): string {
  const total = service.rows_total ?? 0;
  const settled = ['staged', 'purged', 'restored'].includes(service.state);
  const share = total === 0 ? Number(settled) : Math.min(1, service.rows_done / total);
  const full = Math.round(share * BAR_WIDTH);
  const bar = `${out.colour('█'.repeat(full), 'cyan')}${out.dim('░'.repeat(BAR_WIDTH - full))}`;
  const trouble = troubleOf(service);
  const state = service.state === 'absent' ? out.dim('to come') : service.state;
  return `${service.name.padEnd(18)} ${bar} ${count(service.rows_done).padStart(11)}  ${state}${trouble ? out.colour(`  ${trouble}`, 'yellow') : ''}`;
}

/** What keeps a service from going on; an error that it has got over is none. */
function troubleOf(service: JobService): string | null {
  if (service.state === 'purged' || service.state === 'restored') return null;
  return blockedBriefly(service) ?? serviceErrorText(service);
}
