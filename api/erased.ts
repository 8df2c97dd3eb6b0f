/** Erased tenants: the list, what came back, and erasing it again. What the routes do, without HTTP. */
import type { ServiceClient } from '../protocol/client.js';
import type {
  ErasedCheck,
  ErasedImport,
  ErasedTenantView,
  Reapplied,
  ReleaseView,
} from '../protocol/erased.js';
import { hasEnded, type JobView } from '../protocol/jobs.js';
import { SigningKeyError } from '../protocol/keys.js';
import { Problem } from '../protocol/problems.js';
import { isPublicTenantKey } from '../protocol/workflow.js';
import { cursorAfterMark, type ErasedMark, notErased, publishedMark } from '../records/erased.js';
import { askServices, sweepTenant } from '../records/sweep.js';
import type { Actor } from '../records/types.js';
import type { ApiDependencies } from './dependencies.js';
import { createTell } from './tell-temporal.js';

type Asker = Actor & { readonly requestId: string };

export interface Erased {
  /** Every erased tenant, in the form that is signed. */
  exportList(): Promise<string>;
  importList(jws: string, asker: Asker): Promise<ErasedImport>;
  view(tenantId: string): Promise<ErasedTenantView>;
  /** Asks every service now. */
  check(tenantId: string, asker: Asker): Promise<ErasedCheck>;
  reapply(service: string, request: ReapplyRequest, asker: Asker): Promise<Reapplied>;
  /** A reapplied job that went back, once more. */
  reapplyAgain(job: JobView, asker: Asker): Promise<JobView>;
  approveRelease(tenantId: string, asker: Asker): Promise<ReleaseView>;
}

export interface ReapplyRequest {
  readonly tenantId?: string | undefined;
  readonly dryRun: boolean;
  readonly reason: string | null;
  readonly cursor?: string | undefined;
}

const EXPORTED_AT_ONCE = 1_000;
/** Erased tenants that one request asks a service for. */
const ASKED_IN_ALL = 50;
const ASKED_AT_ONCE = 4;
const ANSWERED_WITHIN_MS = 10_000;
/** A text or a number may have been given to somebody new. */
const MAY_BE_REUSED = 'key_may_be_reused';

export function createErased(dependencies: ApiDependencies): Erased {
  const { records, services, runs, settings, publicKeyOf, erasedList } = dependencies;
  const tell = createTell(dependencies);
  const timeoutMs = settings.previewTimeoutMs;

  async function markOf(tenantId: string): Promise<ErasedMark> {
    const mark = await records.erasedTenant(tenantId);
    if (mark === null) throw notErased();
    return mark;
  }

  async function open(tenantId: string, scope: readonly string[], reason: string | null, asker: Asker) {
    const { job } = await records.openReapply({
      tenantId,
      actor: asker,
      services: scope,
      reason,
      approveImported: settings.requireApproval,
    });
    await tell(job, 'start', () => runs.start(job));
    return job;
  }

  async function reapplyOne(
    client: ServiceClient,
    tenantId: string,
    mark: ErasedMark,
    request: ReapplyRequest,
    asker: Asker,
  ): Promise<Reapplied['tenants'][number] | null> {
    const options = { records, services: [client], timeoutMs };
    const found = request.dryRun
      ? await askServices(options, tenantId)
      : (await sweepTenant(options, tenantId, asker)).check.services;
    const [{ rows, error } = { rows: null, error: null }] = found;
    const { tenant } = publishedMark(mark, publicKeyOf);
    if (rows === null) return { tenant, rows: 0, job_id: null, left_out: error?.code ?? 'unknown' };
    if (rows === 0) return null;
    if (!isPublicTenantKey(tenantId) && request.tenantId === undefined) {
      return { tenant, rows, job_id: null, left_out: MAY_BE_REUSED };
    }
    if (request.dryRun) return { tenant, rows, job_id: null, left_out: null };
    try {
      const job = await open(tenantId, [client.service.name], request.reason, asker);
      return { tenant, rows, job_id: job.job_id, left_out: null };
    } catch (thrown) {
      if (!(thrown instanceof Problem) || thrown.code === 'records_unavailable') throw thrown;
      return { tenant, rows, job_id: null, left_out: thrown.code };
    }
  }

  return {
    async exportList() {
      const tenants = [];
      let cursor: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof records.erasedTenants>> = await records.erasedTenants({
          limit: EXPORTED_AT_ONCE,
          ...(cursor !== null && { cursor }),
        });
        tenants.push(...page.tenants.map((mark) => publishedMark(mark, publicKeyOf)));
        cursor = page.nextCursor;
      } while (cursor !== null);
      return erasedList.sign(tenants).catch((error: unknown) => {
        if (!(error instanceof SigningKeyError)) throw error;
        throw new Problem('signing_key_missing', `${error.message}. Then export again.`);
      });
    },

    async importList(jws, asker) {
      const { tenants, why } = await erasedList.check(jws);
      if (tenants === null) throw new Problem('list_refused', `${why} Nothing was imported.`);
      return records.importErased(tenants, asker);
    },

    async view(tenantId) {
      const mark = await markOf(tenantId);
      const [returned, jobs, release] = await Promise.all([
        records.returnedRows(mark.tenantId),
        records.listJobs({ tenantId, limit: 100 }),
        records.releaseOf(tenantId),
      ]);
      return {
        ...publishedMark(mark, publicKeyOf),
        imported_at: mark.importedAt,
        returned,
        reapplied_by: jobs.jobs.filter(({ reapplies }) => reapplies).map(({ job_id }) => job_id),
        release,
      };
    },

    async check(tenantId, asker) {
      const { tenantId: marked, keyHashed } = await markOf(tenantId);
      const known = keyHashed ? tenantId : marked;
      return (await sweepTenant({ records, services, timeoutMs }, known, asker)).check;
    },

    async reapply(name, request, asker) {
      const client = services.find(({ service }) => service.name === name);
      if (client === undefined) {
        throw new Problem('service_unknown', `The registry has no service ${name}.`, { service: name });
      }
      const { tenantId, cursor } = request;
      const page =
        tenantId === undefined
          ? await records.erasedTenants({ limit: ASKED_IN_ALL, ...(cursor !== undefined && { cursor }) })
          : { tenants: [await markOf(tenantId)], nextCursor: null };
      const marks = page.tenants.filter((mark) => !mark.keyHashed || tenantId !== undefined);
      const tenants: Reapplied['tenants'] = [];
      const enough = Date.now() + ANSWERED_WITHIN_MS;
      let checked = 0;
      while (checked < marks.length) {
        const some = marks.slice(checked, checked + ASKED_AT_ONCE);
        const answers = await Promise.all(
          some.map((mark) => reapplyOne(client, tenantId ?? mark.tenantId, mark, request, asker)),
        );
        const silent = answers.every((one) => one?.left_out === 'service_unavailable');
        if (silent && tenantId === undefined) {
          throw new Problem('service_unavailable', `${name} does not answer.`, { service: name });
        }
        tenants.push(...answers.filter((one) => one !== null));
        checked += some.length;
        const last = some.at(-1);
        // Whoever asks waits for an answer, and goes on from there.
        if (Date.now() > enough && checked < marks.length && last !== undefined) {
          return { checked, tenants, next_cursor: cursorAfterMark(last) };
        }
      }
      return { checked, tenants, next_cursor: page.nextCursor };
    },

    async reapplyAgain(job, asker) {
      if (!hasEnded(job.status)) return job;
      return open(job.tenant_id, job.scope ?? [], job.reason, asker);
    },

    async approveRelease(tenantId, asker) {
      const release = await records.approveRelease(tenantId, asker);
      const about = { job_id: release.erased_by };
      await tell(about, 'release', () => runs.startRelease(release.release_id));
      return release;
    },
  };
}
