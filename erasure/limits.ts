/** Limits that hold where nobody set others. */
import type { EngineLimits } from './engine-types.js';

export const DEFAULT_LIMITS = {
  chunkMs: 700,
  singleTransactionMs: 10_000,
  singleTransactionRows: 500_000,
  walBytesPerSecond: null,
  concurrentWork: 16,
} satisfies Partial<EngineLimits>;

export type AllLimits = Required<EngineLimits>;

export function withDefaults(limits: EngineLimits): AllLimits {
  const all = { ...DEFAULT_LIMITS, ...limits };
  // A statement that is too long has to become chunks before it becomes an error.
  const singleTransactionMs = Math.min(all.singleTransactionMs, Math.ceil(all.longestTransactionMs * 0.9));
  return { ...all, singleTransactionMs };
}
