/** Telling Temporal what the record says by now; a request never fails because Temporal is away. */
import type { JobView } from '../protocol/jobs.js';
import type { ApiDependencies } from './dependencies.js';

/** How long a request waits for Temporal; what is not told by then, the reconciler tells. */
const PATIENCE_MS = 2_000;

export type Tell = (
  job: Pick<JobView, 'job_id'>,
  what: string,
  work: () => Promise<unknown>,
) => Promise<void>;

export function createTell({ logger }: Pick<ApiDependencies, 'logger'>): Tell {
  return async (job, what, work) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${PATIENCE_MS} ms`), PATIENCE_MS);
    });
    const told = Promise.resolve()
      .then(work)
      .then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
    const reason = await Promise.race([told, late]);
    clearTimeout(timer);
    if (reason === null) return;
    logger.warn(
      { job_id: job.job_id, what, reason },
      'Temporal was not told; the reconciler will make up for it',
    );
  };
}
