/** Lifting the tombstones of a key that was given to somebody new: service by service, the mark in the records last. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ServiceClient } from '../protocol/client.js';
import { Problem } from '../protocol/problems.js';
import type { Records } from '../records/types.js';

const CALL_MS = 15_000;

export function releaseSteps({
  records,
  services,
}: {
  readonly records: Pick<Records, 'getRelease' | 'noteReleased' | 'completeRelease'>;
  readonly services: readonly ServiceClient[];
}) {
  return {
    /** Services that have not answered yet. */
    async readRelease({ releaseId }: { readonly releaseId: string }): Promise<{ services: string[] }> {
      const release = await records.getRelease(releaseId);
      if (release.status !== 'approved') return { services: [] };
      const names = services.map(({ service }) => service.name);
      return { services: names.filter((name) => !Object.hasOwn(release.services, name)) };
    },

    async releaseAtService({
      releaseId,
      service,
    }: {
      readonly releaseId: string;
      readonly service: string;
    }): Promise<void> {
      const release = await records.getRelease(releaseId);
      if (release.status !== 'approved') return;
      const client = services.find((one) => one.service.name === service);
      if (client === undefined) {
        throw new Problem('service_unavailable', `${service} is not in the registry any more.`, { service });
      }
      const lifted = await client
        .call(
          'releaseTombstones',
          { params: { tenant_id: release.tenant_id }, query: { job_id: release.erased_by } },
          { timeoutMs: CALL_MS, signal: Context.current().cancellationSignal },
        )
        .then(
          ({ released }) => released,
          (error: unknown) => {
            // A simple participant keeps no tombstones.
            if (error instanceof Problem && error.code === 'route_unknown') return null;
            throw triedAgain(service, error);
          },
        );
      await records.noteReleased(releaseId, service, lifted);
    },

    async completeRelease({ releaseId }: { readonly releaseId: string }): Promise<void> {
      const release = await records.getRelease(releaseId);
      if (release.status !== 'approved') return;
      await records.completeRelease(releaseId).catch((error: unknown) => {
        throw triedAgain('the platform', error);
      });
    },
  };
}

/** A hold is lifted one day, a job ends, a right is granted: no answer is final here. */
function triedAgain(service: string, error: unknown): unknown {
  return error instanceof Problem
    ? ApplicationFailure.retryable(`${service}: ${error.code}`, error.code)
    : error;
}
