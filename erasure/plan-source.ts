/** Plans as the catalog stands now, and whether they may be carried out. */
import { catalogFingerprint } from './catalog/fingerprint.js';
import { readCatalog } from './catalog/read.js';
import type { Declaration } from './declaration.js';
import { EngineError } from './engine-types.js';
import { makePlan } from './plan/make-plan.js';
import { changes, leaves } from './plan/policy.js';
import type { Plan, PlannedTable } from './plan/types.js';
import { rowsOf } from './selection.js';
import type { Session } from './session/session.js';

/** Makes plans, and remembers the last: while the catalog does not change, it is the next as well. */
export class PlanSource {
  private last: { readonly plan: Plan; readonly fingerprint: string | null } | undefined;

  constructor(private readonly declaration: Declaration) {}

  /** The plan of this moment. */
  async read(session: Session): Promise<Plan> {
    const before = await this.fingerprint(session);
    if (this.last?.fingerprint === before) return this.last.plan;
    const catalog = await session.run((client) => readCatalog(client, this.declaration));
    const plan = makePlan(catalog, this.declaration);
    // A change while it was read: the plan is as good as any of that time, and is not used again.
    const same = (await this.fingerprint(session)) === before;
    this.last = { plan, fingerprint: same ? before : null };
    return plan;
  }

  /** OIDs of the tables that a deletion changes, by the last plan: good enough to tell how much it will lock. */
  async oidsToChange(session: Session): Promise<number[]> {
    return changedTables(this.last?.plan ?? (await this.read(session))).map(({ table }) => table.oid);
  }

  private fingerprint(session: Session): Promise<string> {
    return session.run((client) => catalogFingerprint(client, this.declaration));
  }

  /**
   * A plan that stays true until the transaction ends: the tables are locked against changes of their columns before
   * the catalog is read. A column that was added in between would be lost, since it would not be archived.
   */
  async readLocked(session: Session): Promise<Plan> {
    const locked = new Set<number>();
    // The last is a good guess. It may be out of date: then its successor names further tables.
    let plan = this.last?.plan ?? (await this.read(session));
    for (;;) {
      const missing = changedTables(plan).filter(({ table }) => !locked.has(table.oid));
      if (missing.length === 0 && locked.size > 0) return plan;
      for (const one of missing) {
        await this.lock(session, one);
        locked.add(one.table.oid);
      }
      plan = await this.read(session);
      if (changedTables(plan).length === 0) return plan;
    }
  }

  private async lock(session: Session, { table, label, action }: PlannedTable): Promise<void> {
    const about = { table: label, privilege: action === 'anonymize' ? 'UPDATE' : 'DELETE' };
    try {
      await session.query(`LOCK TABLE ${rowsOf(table)} IN ROW EXCLUSIVE MODE`, [], about);
    } catch (error) {
      // The table may be called otherwise by now: the next attempt guesses nothing.
      this.last = undefined;
      throw error;
    }
  }
}

/** Tables that rows leave, to be retained elsewhere or for good. */
export function deletedTables(plan: Plan): PlannedTable[] {
  return plan.tables.filter(leaves);
}

/** Those, and tables whose rows are changed. */
export function changedTables(plan: Plan): PlannedTable[] {
  return plan.tables.filter(changes);
}

/** Throws where the plan says that the deletion cannot run. */
export function assertRunnable(plan: Plan): void {
  const refusals = plan.findings.filter(({ severity }) => severity === 'refusal');
  const privilege = refusals.find(({ code }) => code === 'privilege_missing');
  if (privilege !== undefined) {
    throw new EngineError('privilege_missing', `${privilege.message} ${privilege.remedy}`, {
      ...(privilege.table !== null && { table: privilege.table }),
      ...(privilege.privilege !== null && { privilege: privilege.privilege }),
    });
  }
  const [first, ...others] = refusals;
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` (and ${others.length} more; the preview lists them)`;
  throw new EngineError('plan_refused', `${first.message} ${first.remedy}${more}`, {
    ...(first.table !== null && { table: first.table }),
  });
}

/** Throws where the plan is not the one that was shown. */
export function assertSamePlan(plan: Plan, hash: string | null): void {
  if (hash === plan.hash) return;
  throw new EngineError(
    'plan_drift',
    'The tables, keys or policies have changed since the plan was shown. Look at the preview again, and ask with its hash.',
  );
}
