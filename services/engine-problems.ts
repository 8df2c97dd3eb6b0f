/** The engine's errors on the wire. */
import { EngineError } from '../erasure/engine-types.js';
import { Problem } from '../protocol/problems.js';

// A lock or a server that comes back is worth asking again soon.
const RETRY_AFTER_SECONDS = { database_busy: 1, database_unavailable: 2, other_job_open: 5 } as const;

/** An `EngineError` as the problem of the same code; anything else as it is. */
export function problemOfEngine(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
  const { code, message, facts } = error;
  if (code === 'invalid_tenant_id') {
    return new Problem('validation_failed', message, { errors: [{ path: 'params.tenant_id', message }] });
  }
  const retryAfter =
    code in RETRY_AFTER_SECONDS ? RETRY_AFTER_SECONDS[code as keyof typeof RETRY_AFTER_SECONDS] : undefined;
  const { jobId, ...rest } = facts;
  const problem = new Problem(
    code,
    message,
    { ...rest, ...(jobId !== undefined && { job_id: jobId }) },
    retryAfter,
  );
  problem.cause = error;
  return problem;
}
