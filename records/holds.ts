/** Legal holds: while one stands, nothing of the tenant is deleted. */
import { validate as isUuid, v7 as uuidv7 } from 'uuid';
import type { LegalHold } from '../protocol/gate.js';
import { Problem } from '../protocol/problems.js';
import { writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import type { GateRecords } from './gate-types.js';
import { countHolds } from './requests-sql.js';
import { lockGate } from './sql.js';
import type { SqlClient } from './sql-client.js';

interface HoldRow {
  readonly holdId: string;
  readonly tenantId: string;
  readonly reason: string;
  readonly placedBy: string;
  readonly placedAt: Date;
  readonly liftedBy: string | null;
  readonly liftedAt: Date | null;
  readonly liftReason: string | null;
}

type HoldRecords = Pick<GateRecords, 'placeHold' | 'liftHold' | 'holdsOf' | 'tenantsOnHold'>;

export function holdRecords(database: Database): HoldRecords {
  return {
    placeHold: (tenantId, reason, actor, retainedRows = false) =>
      database.transaction(async (client) => {
        // The pivot takes the same lock: one of the two is first, and the other one sees it.
        const gate = await lockGate(client, tenantId);
        if (!retainedRows) await refuseTooLate(client, tenantId, gate.erasedAt);
        const row = await client.legalHold.create({
          data: { holdId: uuidv7(), tenantId, reason, placedBy: actor.id, placedAt: gate.now },
        });
        await writeEvent(client, {
          jobId: await openJobId(client, tenantId),
          tenantId,
          actor,
          action: 'legal hold placed',
          details: { hold_id: row.holdId, retained_rows: retainedRows },
        });
        return viewOf(row);
      }),

    liftHold: (holdId, reason, actor) =>
      database.transaction(async (client) => {
        const found = isUuid(holdId) ? await client.legalHold.findUnique({ where: { holdId } }) : null;
        if (found === null) {
          throw new Problem('hold_unknown', 'There is no such legal hold. Check the id.');
        }
        const { tenantId } = found;
        const { now } = await lockGate(client, tenantId);
        const standing = await client.legalHold.findUniqueOrThrow({ where: { holdId } });
        if (standing.liftedAt !== null) return viewOf(standing);
        const row = await client.legalHold.update({
          where: { holdId },
          data: { liftedBy: actor.id, liftedAt: now, liftReason: reason },
        });
        await writeEvent(client, {
          jobId: await openJobId(client, tenantId),
          tenantId,
          actor,
          action: 'legal hold lifted',
          details: { hold_id: holdId },
        });
        return viewOf(row);
      }),

    holdsOf: async (tenantId) => {
      const rows = await database.read((client) =>
        client.legalHold.findMany({
          where: { tenantId },
          orderBy: [{ placedAt: 'desc' }, { holdId: 'desc' }],
        }),
      );
      return rows.map(viewOf);
    },

    tenantsOnHold: async () => {
      const rows = await database.read((client) =>
        client.legalHold.findMany({
          where: { liftedAt: null },
          distinct: ['tenantId'],
          select: { tenantId: true },
          orderBy: { tenantId: 'asc' },
        }),
      );
      return rows.map(({ tenantId }) => tenantId);
    },
  };
}

/** Throws `legal_hold`. Whoever opens a job calls it under the lock of the tenant's gate. */
export async function refuseHeld(client: SqlClient, tenantId: string): Promise<void> {
  const holds = await countHolds(client, tenantId);
  if (holds === 0) return;
  throw new Problem(
    'legal_hold',
    `${holds === 1 ? 'A legal hold keeps' : `${holds} legal holds keep`} this tenant. It can be deleted when the last one is lifted.`,
  );
}

async function refuseTooLate(client: Client, tenantId: string, erasedAt: Date | null): Promise<void> {
  const what = 'A hold on what had to be kept is placed with retained_rows.';
  // What came back of an erased tenant can still be kept.
  const back =
    erasedAt !== null && (await client.returnedRows.count({ where: { tenantId, clearedAt: null } }));
  if (erasedAt !== null && !back) {
    throw new Problem('past_pivot', `This tenant has been erased; the hold comes too late. ${what}`);
  }
  const going = await client.deletionJob.findFirst({
    where: { tenantId, endedAt: null, decision: 'proceed' },
    select: { jobId: true, status: true },
  });
  if (going === null) return;
  throw new Problem(
    'past_pivot',
    `Every service has agreed and there is no way back any more; the hold comes too late. ${what}`,
    { state: going.status, job_id: going.jobId },
  );
}

/** So that the trail of a job tells what stopped it. */
async function openJobId(client: Client, tenantId: string): Promise<string | null> {
  const open = await client.deletionJob.findFirst({
    where: { tenantId, endedAt: null },
    select: { jobId: true },
  });
  return open?.jobId ?? null;
}

function viewOf(row: HoldRow): LegalHold {
  return {
    hold_id: row.holdId,
    tenant_id: row.tenantId,
    reason: row.reason,
    placed_by: row.placedBy,
    placed_at: row.placedAt.toISOString(),
    lifted_by: row.liftedBy,
    lifted_at: row.liftedAt?.toISOString() ?? null,
    lift_reason: row.liftReason,
  };
}
