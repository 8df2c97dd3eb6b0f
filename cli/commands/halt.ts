import { haltAnswer, haltState } from '../../protocol/gate.js';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { count } from '../output.js';

const HALT = '/api/v1/deletion-jobs/halt';

export interface HaltOptions {
  readonly reason?: string;
  readonly andRestore?: boolean;
}

/** `lethe jobs halt`: every job before its pivot stands still; without a reason it only says whether they do. */
export const haltJobs: Command<HaltOptions> = async ({ api, out }, { reason, andRestore }) => {
  if (reason === undefined) {
    if (andRestore) throw new UsageError('Say why: --reason TEXT.');
    const state = await api.call(haltState, 'GET', HALT);
    out.document(state);
    out.line(
      state.halted
        ? `Halted since ${state.since} by ${state.by}: ${state.reason}\n"lethe jobs resume --reason TEXT" lets the jobs go on.`
        : 'Nothing is halted. To halt every job before its pivot: lethe jobs halt --reason TEXT',
    );
    return EXIT.ok;
  }
  const answer = await api.call(haltAnswer, 'POST', HALT, {
    reason,
    ...(andRestore && { and_restore: true }),
  });
  out.document(answer);
  out.line(`Halted since ${answer.since}. No job passes its pivot until "lethe jobs resume".`);
  if (andRestore) {
    out.line(
      `${count(answer.restoring.length)} ${answer.restoring.length === 1 ? 'job goes' : 'jobs go'} back.`,
    );
  }
  return EXIT.ok;
};

/** `lethe jobs resume`: halted jobs go on. */
export const resumeJobs: Command<{ readonly reason: string }> = async ({ api, out }, { reason }) => {
  const state = await api.call(haltState, 'POST', '/api/v1/deletion-jobs/resume', { reason });
  out.document(state);
  out.line('Resumed. Every job goes on where it stood.');
  return EXIT.ok;
};
