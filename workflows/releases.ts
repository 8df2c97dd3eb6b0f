/** An approved release: every service lifts its tombstones, however long it takes; the mark in the records goes last. */
import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import type { ReleaseInput } from '../protocol/housekeeping.js';

/** Nothing is touched that a person waits for, so nobody is hurried: it is tried until it works. */
const steps = proxyActivities<Pick<Activities, 'readRelease' | 'releaseAtService' | 'completeRelease'>>({
  startToCloseTimeout: 30_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: '5m' },
});

export async function releaseTombstones({ release_id: releaseId }: ReleaseInput): Promise<void> {
  const { services } = await steps.readRelease({ releaseId });
  await Promise.all(
    services.map((service) =>
      steps.releaseAtService.executeWithOptions({ summary: service }, [{ releaseId, service }]),
    ),
  );
  await steps.completeRelease({ releaseId });
}
