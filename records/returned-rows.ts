/** Rows of erased tenants that came back, as sweeps find them. */
import { v7 as uuidv7 } from 'uuid';
import { type ReturnedRows, returnedRows } from '../protocol/erased.js';
import { writeEvent } from './audit.js';
import type { Client, Database } from './database.js';

import { writeNotice } from './notices.js';
import { lockGate } from './sql.js';
import type { Actor } from './types.js';

/** What one service says of an erased tenant; one that did not answer says nothing. */
export interface FoundAtService {
  readonly service: string;
  readonly rows: number;
  readonly tables: ReturnedRows['tables'];
}

export interface ReturnedRecords {
  /** Writes down what was found, and that of a service which found nothing any more it is gone. Gives what is new. */
  noteReturned(
    tenantId: string,
    found: readonly FoundAtService[],
    actor: Actor,
  ): Promise<{ appeared: FoundAtService[]; gone: string[] }>;
  /** Newest first; those that are gone again, too. */
  returnedRows(tenantId: string): Promise<ReturnedRows[]>;
  /** Rows that are there now, by service. */
  rowsReturnedNow(): Promise<ReadonlyMap<string, number>>;
}

/** What the event tells of tables; all of them stand in the finding. */
const TABLES_TOLD = 20;

export function returnedRecords(database: Database): ReturnedRecords {
  return {
    noteReturned: (tenantId, found, actor) =>
      database.transaction(async (client) => {
        // Two who look at once note it once.
        await lockGate(client, tenantId);
        const appeared: FoundAtService[] = [];
        const gone: string[] = [];
        const open = await client.returnedRows.findMany({ where: { tenantId, clearedAt: null } });
        for (const one of found) {
          const known = open.find(({ service }) => service === one.service);
          if (one.rows > 0) {
            if (known === undefined) appeared.push(one);
            await note(client, tenantId, one, known?.findingId ?? null, actor);
          } else if (known !== undefined) {
            gone.push(one.service);
            await clear(client, tenantId, known, actor);
          }
        }
        return { appeared, gone };
      }),

    returnedRows: async (tenantId) => {
      const rows = await database.read((client) =>
        client.returnedRows.findMany({ where: { tenantId }, orderBy: { firstSeenAt: 'desc' } }),
      );
      return rows.map((row) => ({
        service: row.service,
        rows: Number(row.rows),
        tables: returnedRows.shape.tables.parse(row.tables),
        first_seen_at: row.firstSeenAt.toISOString(),
        last_seen_at: row.lastSeenAt.toISOString(),
        cleared_at: row.clearedAt?.toISOString() ?? null,
        reapplied_by: row.reappliedBy,
      }));
    },

    rowsReturnedNow: async () => {
      const sums = await database.read((client) =>
        client.returnedRows.groupBy({ by: ['service'], where: { clearedAt: null }, _sum: { rows: true } }),
      );
      return new Map(sums.map(({ service, _sum }) => [service, Number(_sum.rows ?? 0)]));
    },
  };
}

async function note(
  client: Client,
  tenantId: string,
  { service, rows, tables }: FoundAtService,
  findingId: string | null,
  actor: Actor,
): Promise<void> {
  const now = new Date();
  const left = tables.filter(({ live_rows, archived_rows }) => live_rows + archived_rows > 0);
  const seen = { rows, tables: left, lastSeenAt: now };
  if (findingId !== null) {
    await client.returnedRows.update({ where: { findingId }, data: seen, select: { findingId: true } });
    return;
  }
  await client.returnedRows.create({
    data: { findingId: uuidv7(), tenantId, service, firstSeenAt: now, ...seen },
    select: { findingId: true },
  });
  const named = left.slice(0, TABLES_TOLD).map(({ table }) => table);
  await writeEvent(client, {
    jobId: null,
    tenantId,
    actor,
    action: 'rows came back',
    details: { service, rows, tables: named.join(', ') },
  });
  await writeNotice(client, {
    kind: 'tenant.rows_came_back',
    jobId: null,
    tenantId,
    facts: { service, rows },
  });
}

async function clear(
  client: Client,
  tenantId: string,
  { findingId, service }: { readonly findingId: string; readonly service: string },
  actor: Actor,
): Promise<void> {
  await client.returnedRows.update({
    where: { findingId },
    data: { clearedAt: new Date() },
    select: { findingId: true },
  });
  await writeEvent(client, {
    jobId: null,
    tenantId,
    actor,
    action: 'rows are gone again',
    details: { service },
  });
}

/** Notes with the findings which job erases these rows again. */
export async function noteReapplied(
  client: Client,
  tenantId: string,
  services: readonly string[],
  jobId: string,
): Promise<void> {
  await client.returnedRows.updateMany({
    where: { tenantId, service: { in: [...services] }, clearedAt: null },
    data: { reappliedBy: jobId },
  });
}
