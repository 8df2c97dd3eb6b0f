/** The engine over one participant's database. */
import { advance } from './advance/advance.js';
import type { EngineContext, Slice } from './context.js';
import type { Declaration } from './declaration.js';
import { type Engine, EngineError, type EngineLimits } from './engine-types.js';
import { engineError, LockTimeout } from './errors.js';
import { exportRows } from './export/export.js';
import { absentStatus, statusOf } from './ledger/record.js';
import { releaseTombstones } from './ledger/release.js';
import { LedgerStore } from './ledger/store.js';
import { withDefaults } from './limits.js';
import { assertCovered } from './plan/coverage.js';
import { termsOf } from './plan/terms.js';
import { PlanSource } from './plan-source.js';
import { previewTenant } from './preview/preview.js';
import { listConflicts } from './restore/conflicting-rows.js';
import { diagnose } from './restore/diagnose.js';
import { eraseDue, listRetained, retainedLines, unreadable } from './retention/reading.js';
import { type EngineLogger, Sessions } from './session/session.js';
import { tenantKey } from './tenant-key.js';
import { verify } from './verify/verify.js';

export interface EngineOptions {
  /** URL of the service's own role. */
  readonly databaseUrl: string;
  readonly declaration: Declaration;
  readonly limits: EngineLimits;
  readonly poolSize?: number;
  /** URL of the role that may read what is retained; without it that is listed, and not shown. */
  readonly retainedUrl?: string;
  readonly logger?: EngineLogger;
}

/** How long a call that only reads waits for locks, and a check of what could be restored takes. */
const READ_WITHIN_MS = 5_000;
const DEFAULT_POOL_SIZE = 4;

/** Connects when it is first asked for something. */
export function createEngine(options: EngineOptions): Engine {
  const { declaration, logger } = options;
  const limits = withDefaults(options.limits);
  const sessions = new Sessions({
    databaseUrl: options.databaseUrl,
    name: declaration.name,
    poolSize: options.poolSize ?? DEFAULT_POOL_SIZE,
    lockTimeoutMs: limits.lockTimeoutMs,
    statementTimeoutMs: limits.longestTransactionMs,
  });
  const auditors =
    options.retainedUrl === undefined
      ? null
      : new Sessions({
          databaseUrl: options.retainedUrl,
          name: `${declaration.name} retained`,
          poolSize: 1,
          lockTimeoutMs: limits.lockTimeoutMs,
          statementTimeoutMs: limits.longestTransactionMs,
        });
  const context: EngineContext = {
    declaration,
    limits,
    sessions,
    ledger: new LedgerStore(declaration),
    plans: new PlanSource(declaration),
    logger,
  };
  const key = (tenantId: string) => tenantKey(tenantId, declaration.tenant.type);
  const reading = () => ({ jobId: null, deadline: Date.now() + READ_WITHIN_MS });

  return {
    preview: (tenantId) =>
      told(() =>
        sessions.session(reading(), async (session) => {
          const plan = await context.plans.read(session);
          return session.run((client) => previewTenant(client, plan, key(tenantId)));
        }),
      ),
    advance: (request) =>
      told(() => {
        const slice: Slice = {
          tenantId: key(request.tenantId),
          jobId: request.jobId,
          deadline: Date.now() + request.timeBudgetMs,
        };
        return advance(context, slice, request);
      }),
    status: (tenantId, jobId, { restorable = true } = {}) =>
      told(() =>
        sessions.session({ ...reading(), jobId, statementTimeoutMs: READ_WITHIN_MS }, async (session) => {
          const row = await context.ledger.find(session, key(tenantId), jobId, false);
          if (row === null) return absentStatus(key(tenantId), jobId);
          return statusOf(row, restorable ? await diagnose(context, session, row) : null);
        }),
      ),
    verify: (tenantId, jobId) =>
      told(() => verify(context, { ...reading(), tenantId: key(tenantId), jobId })),
    conflicts: (tenantId, jobId) =>
      told(() =>
        sessions.session({ ...reading(), jobId }, (session) =>
          listConflicts(context, session, { tenantId: key(tenantId), jobId }),
        ),
      ),
    manifest: () =>
      told(() =>
        sessions.session(reading(), async (session) => {
          const plan = await context.plans.read(session);
          return {
            planHash: plan.hash,
            tables: plan.tables.map(termsOf),
            unacceptedTables: plan.unacceptedTables,
            findings: plan.findings,
            // Without Lethe's schema the findings say so, and there are no jobs.
            openJobs: plan.catalog.letheSchema.usage ? await context.ledger.openJobs(session) : [],
            breakGlass: plan.catalog.letheSchema.usage ? await context.ledger.breakGlass(session) : [],
          };
        }),
      ),
    releaseTombstones: (tenantId) =>
      told(() =>
        sessions.transaction(reading(), (session) =>
          releaseTombstones(context.ledger, session, key(tenantId)),
        ),
      ),
    async *exportRows(tenantId, jobId) {
      try {
        yield* exportRows(context, { ...reading(), tenantId: key(tenantId), jobId });
      } catch (error) {
        throw toldError(error);
      }
    },
    retained: (query) =>
      told(() =>
        sessions.session(reading(), (session) =>
          listRetained(context, session, { ...query, tenantId: query.tenantId && key(query.tenantId) }),
        ),
      ),
    async *exportRetained(tenantId) {
      try {
        if (auditors === null) throw unreadable();
        yield* auditors.streaming(reading(), (session) =>
          retainedLines(context, session, tenantId && key(tenantId)),
        );
      } catch (error) {
        throw toldError(error);
      }
    },
    eraseDue: (request) =>
      told(() => {
        // As the database writes them: a hold must not be overlooked for its spelling.
        const exceptTenants = request.exceptTenants.flatMap((tenantId) => {
          try {
            return [key(tenantId)];
          } catch {
            // No tenant of this database.
            return [];
          }
        });
        return sessions.transaction(reading(), (session) =>
          eraseDue(context, session, { ...request, exceptTenants }),
        );
      }),
    ready: () =>
      told(() =>
        sessions.session(reading(), async (session) => {
          await context.ledger.check(session);
          assertCovered(await context.plans.read(session));
        }),
      ),
    close: async () => {
      await Promise.all([sessions.close(), auditors?.close()]);
    },
  };
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toldError(error);
  }
}

function toldError(error: unknown): unknown {
  if (error instanceof LockTimeout) {
    const by = error.blockers.length === 0 ? '' : ` Blocked by ${error.blockers.join(', ')}.`;
    return new EngineError('database_busy', `${error.reason}.${by} Ask again.`, { sqlstate: '55P03' });
  }
  return engineError(error);
}
