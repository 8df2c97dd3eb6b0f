/** What was asked for, in one form: by it a repeated request is told from another one. */
import { z } from 'zod';
import type { OpenJobRequest } from './types.js';

export type StoredOptions = Record<string, string | number | boolean>;

const stored = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** Left out and the default are the same request, and so are two ways to write one time. */
export function optionsOf({ options, restoreWindowMs, approvalRequired }: OpenJobRequest): StoredOptions {
  const { reason, start_at, due_at, preview_hash, require_approval, export: asked } = options;
  return {
    restore_window_ms: restoreWindowMs,
    ...(reason !== undefined && { reason }),
    ...(start_at !== undefined && { start_at: new Date(start_at).toISOString() }),
    ...(due_at !== undefined && { due_at: new Date(due_at).toISOString() }),
    ...(preview_hash !== undefined && { preview_hash }),
    ...((approvalRequired ?? require_approval) && { require_approval: true }),
    ...(asked && { export: true }),
  };
}

/** Why and when it was asked for is not what an approver approves, nor what was looked at before. */
const NOT_APPROVED: readonly string[] = [
  'reason',
  'start_at',
  'due_at',
  'preview_hash',
  'require_approval',
  'restore_window_ms',
];

/** The options that change what is done. */
export function optionsToApprove(kept: unknown): StoredOptions {
  return without(kept, NOT_APPROVED);
}

/** What a job goes on with in the place of another one: its start has been, and its preview is another one. */
export function optionsOfSuccessor(kept: unknown): StoredOptions {
  return without(kept, ['start_at', 'preview_hash']);
}

function without(kept: unknown, names: readonly string[]): StoredOptions {
  return Object.fromEntries(Object.entries(stored.parse(kept)).filter(([name]) => !names.includes(name)));
}

export function isSameRequest(kept: unknown, wanted: StoredOptions): boolean {
  const old = stored.parse(kept);
  return [...new Set([...Object.keys(old), ...Object.keys(wanted)])].every((key) => old[key] === wanted[key]);
}
