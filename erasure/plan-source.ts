/** Plans as the catalog stands now, and whether they may be carried out. */
import { readCatalog } from './catalog/read.js';
import type { Declaration } from './declaration.js';
import { EngineError } from './engine-types.js';
import { makePlan } from './plan/make-plan.js';
import type { Plan, PlannedTable } from './plan/types.js';
import { rowsOf } from './selection.js';
import type { Session } from './session/session.js';

/** Makes plans, and remembers the last: it is a good guess of the next. */
export class PlanSource {
  private last: Plan | undefined;

  constructor(private readonly declaration: Declaration) {}

  /** The plan of this moment. */
  async read(session: Session): Promise<Plan> {
    const plan = makePlan(
      await session.run((client) => readCatalog(client, this.declaration)),
      this.declaration,
    );
    this.last = plan;
    return plan;
  }

  /**
   * A plan that stays true until the transaction ends: the tables are locked against changes of their columns before
   * the catalog is read. A column that was added in between would be lost, since it would not be archived.
   */
  async readLocked(session: Session): Promise<Plan> {
    const locked = new Set<number>();
    let plan = this.last ?? (await this.read(session));
    // The guess may be out of date: then its successor names further tables.
    this.last = undefined;
    for (;;) {
      const missing = deletedTables(plan).filter(({ table }) => !locked.has(table.oid));
      if (missing.length === 0 && locked.size > 0) return plan;
      for (const { table, label } of missing) {
        await session.query(`LOCK TABLE ${rowsOf(table)} IN ROW EXCLUSIVE MODE`, [], {
          table: label,
          privilege: 'DELETE',
        });
        locked.add(table.oid);
      }
      plan = await this.read(session);
      if (deletedTables(plan).length === 0) return plan;
    }
  }
}

/** Tables that rows are deleted from. */
export function deletedTables(plan: Plan): PlannedTable[] {
  return plan.tables.filter(({ action }) => action === 'delete');
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
