/** The options of a deletion: a request may ask for more care than is configured, never for less. */
import { parseDuration } from '../protocol/duration.js';
import type { DeletionOptions, JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';

/** Throws for options that this version does not have, and for times that contradict each other. */
export function checkOptions(options: DeletionOptions): void {
  if (options.require_approval) {
    throw new Problem(
      'option_unavailable',
      'Approval is not part of this version; leave require_approval out.',
    );
  }
  const { start_at: start, due_at: due } = options;
  if (start !== undefined && due !== undefined && Date.parse(due) < Date.parse(start)) {
    const message = 'lies before start_at';
    throw new Problem('validation_failed', `due_at ${message}.`, {
      errors: [{ path: 'body.due_at', message }],
    });
  }
}

/** In milliseconds; the configured one where the request names none. */
export function restoreWindowOf(options: DeletionOptions, configuredMs: number): number {
  if (options.restore_window === undefined) return configuredMs;
  const wanted = parseDuration(options.restore_window);
  if (wanted === null) {
    const message = 'should be a duration such as 30s, 15m or 72h';
    throw new Problem('validation_failed', `restore_window ${message}.`, {
      errors: [{ path: 'body.restore_window', message }],
    });
  }
  if (wanted < configuredMs) {
    throw new Problem(
      'option_unavailable',
      'restore_window is shorter than configured; a request may ask for more, not for less.',
    );
  }
  return wanted;
}

/**
 * What a replay asks for. The date of the first request lies in the past or does not matter any more: a replay is
 * asked for now. A window that is shorter than what is configured by now gives way to that.
 */
export function replayOptions(job: JobView, configuredMs: number): DeletionOptions {
  return {
    ...(job.reason === null ? {} : { reason: job.reason }),
    ...(job.due_at === null ? {} : { due_at: job.due_at }),
    ...(job.restore_window_ms <= configuredMs ? {} : { restore_window: `${job.restore_window_ms}ms` }),
  };
}
