/** The options of a deletion: a request may ask for more care than is configured, never for less. */
import { parseDuration } from '../protocol/duration.js';
import type { DeletionOptions, JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';

/** Throws for times that contradict each other, and for an export where none can be made. */
export function checkOptions(options: DeletionOptions, exports: boolean): void {
  if (options.export && !exports) {
    const detail =
      'No export can be made here: EXPORT_DIR is not configured. Leave export out, or configure it.';
    throw new Problem('option_unavailable', detail);
  }
  const { start_at: start, due_at: due } = options;
  if (start !== undefined && due !== undefined && Date.parse(due) < Date.parse(start)) {
    const message = 'lies before start_at';
    throw new Problem('validation_failed', `due_at ${message}.`, {
      errors: [{ path: 'body.due_at', message }],
    });
  }
}

/** Whether somebody else has to approve it: a request may ask for that, and not be without where it is configured. */
export function approvalRequired(
  { require_approval: wanted }: DeletionOptions,
  configured: boolean,
): boolean {
  if (configured && wanted === false) {
    throw new Problem(
      'option_unavailable',
      'Every deletion has to be approved here; a request may ask for more care, not for less.',
    );
  }
  return wanted ?? configured;
}

/** So that a wrong id is noticed: throws `name_mismatch` unless the name is the tenant's. `name` null: there is no directory. */
export function checkName(
  { confirm_name: confirmed }: DeletionOptions,
  name: string | null,
  required: boolean,
): void {
  if (confirmed === undefined) {
    if (!required || name === null) return;
    const detail = "Repeat the tenant's name in confirm_name, as the preview shows it.";
    throw new Problem('name_mismatch', detail, {
      errors: [{ path: 'body.confirm_name', message: "should be the tenant's name" }],
    });
  }
  if (name === null) {
    const detail = 'No tenant directory is registered, so there is no name to compare confirm_name with.';
    throw new Problem('option_unavailable', detail);
  }
  if (confirmed.trim() !== name.trim()) {
    const detail =
      'confirm_name is not the name of this tenant. Is it the tenant that you mean? Look at its preview.';
    throw new Problem('name_mismatch', detail, {
      errors: [{ path: 'body.confirm_name', message: "should be the tenant's name" }],
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
    ...(job.approval_required && { require_approval: true }),
    ...(job.export && { export: true }),
    ...(job.restore_window_ms <= configuredMs ? {} : { restore_window: `${job.restore_window_ms}ms` }),
  };
}
