/** Who is gone: the list of erased tenants, and marks that came with such a list from records that were lost. */
import { z } from 'zod';
import { jobId, timestamp } from '../protocol/common.js';
import type { ErasedImport, ErasedTenant } from '../protocol/erased.js';
import { Problem } from '../protocol/problems.js';
import { isPublicTenantKey } from '../protocol/workflow.js';
import { writeEvent } from './audit.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import type { Client, Database } from './database.js';
import type { Prisma } from './generated/client.js';
import { findErasedGate } from './requests-sql.js';
import { lockGate } from './sql.js';
import type { HashOf } from './stays-gone.js';
import type { Actor } from './types.js';

/** The mark of an erased tenant, by the key that the records know. */
export interface ErasedMark {
  /** The tenant's key; where `keyHashed`, the hash that stands for it. */
  readonly tenantId: string;
  readonly keyHashed: boolean;
  readonly erasedAt: string;
  readonly erasedBy: string;
  readonly importedAt: string | null;
  /** Rows that a sweep has found, and that are still there. */
  readonly rowsReturned: number;
}

export interface ErasedRecords {
  /** Oldest first. */
  erasedTenants(page: {
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ tenants: ErasedMark[]; nextCursor: string | null }>;
  /** By its key, or by the hash that a list has brought for it. */
  erasedTenant(tenantId: string): Promise<ErasedMark | null>;
  /** Marks tenants as erased by a list whose signature was checked. Those with an open job are left out. */
  importErased(tenants: readonly ErasedTenant[], actor: Actor): Promise<ErasedImport>;
}

/** By the job: a tenant's key has no place in what leaves the records. */
const stored = z.tuple([timestamp, jobId]);

export function erasedRecords(database: Database, hashOf: HashOf): ErasedRecords {
  return {
    erasedTenants: async ({ cursor, limit }) => {
      const after = cursor === undefined ? {} : afterPlace(cursor);
      return database.read(async (client) => {
        const gates = await client.tenantGate.findMany({
          where: { AND: [{ erasedAt: { not: null } }, after] },
          orderBy: [{ erasedAt: 'asc' }, { erasedBy: 'asc' }],
          // One more than asked for tells whether there is a next page.
          take: limit + 1,
          select: markColumns,
        });
        const page = gates.slice(0, limit);
        const last = page.at(-1);
        const rows = await rowsReturned(
          client,
          page.map(({ tenantId }) => tenantId),
        );
        return {
          tenants: page.flatMap((gate) => markOf(gate, rows) ?? []),
          nextCursor: gates.length > page.length && last ? cursorAfterGate(last) : null,
        };
      });
    },

    erasedTenant: (tenantId) =>
      database.read(async (client) => {
        const gate = await findErasedGate(client, tenantId, hashOf(tenantId));
        if (gate === null) return null;
        return markOf(gate, await rowsReturned(client, [gate.tenantId]));
      }),

    importErased: async (tenants, actor) => {
      const result = { imported: 0, known: 0, left_out: [] as string[] };
      // Each by itself: a list may be long, and importing it twice is the same as once.
      for (const tenant of tenants) {
        const outcome = await database.transaction((client) => importOne(client, tenant));
        if (outcome === 'left_out') result.left_out.push(tenant.tenant);
        else result[outcome] += 1;
      }
      await database.sqlTransaction((client) =>
        writeEvent(client, {
          jobId: null,
          tenantId: null,
          actor,
          action: 'list of erased tenants imported',
          details: { imported: result.imported, known: result.known, left_out: result.left_out.length },
        }),
      );
      return result;
    },
  };
}

const markColumns = {
  tenantId: true,
  keyHashed: true,
  erasedAt: true,
  erasedBy: true,
  importedAt: true,
} as const satisfies Prisma.TenantGateSelect;
type Gate = Prisma.TenantGateGetPayload<{ select: typeof markColumns }>;

async function importOne(
  client: Client,
  { tenant, key, erased_at, job_id }: ErasedTenant,
): Promise<'imported' | 'known' | 'left_out'> {
  const gate = await lockGate(client, tenant);
  if (gate.erasedAt !== null) return 'known';
  const open = await client.deletionJob.count({ where: { tenantId: tenant, endedAt: null } });
  if (open > 0) return 'left_out';
  await client.tenantGate.update({
    where: { tenantId: tenant },
    data: {
      erasedAt: new Date(erased_at),
      erasedBy: job_id,
      importedAt: gate.now,
      keyHashed: key === 'hashed',
    },
    select: { tenantId: true },
  });
  return 'imported';
}

async function rowsReturned(client: Client, tenantIds: readonly string[]): Promise<Map<string, number>> {
  const sums = await client.returnedRows.groupBy({
    by: ['tenantId'],
    where: { tenantId: { in: [...tenantIds] }, clearedAt: null },
    _sum: { rows: true },
  });
  return new Map(sums.map(({ tenantId, _sum }) => [tenantId, Number(_sum.rows ?? 0)]));
}

function markOf(
  { tenantId, keyHashed, erasedAt, erasedBy, importedAt }: Gate,
  rows: Map<string, number>,
): ErasedMark | null {
  if (erasedAt === null || erasedBy === null) return null;
  return {
    tenantId,
    keyHashed,
    erasedAt: erasedAt.toISOString(),
    erasedBy,
    importedAt: importedAt?.toISOString() ?? null,
    rowsReturned: rows.get(tenantId) ?? 0,
  };
}

function cursorAfterGate({ erasedAt, erasedBy }: Pick<Gate, 'erasedAt' | 'erasedBy'>): string {
  return encodeCursor([erasedAt?.toISOString(), erasedBy]);
}

/** Where a list goes on after this one. */
export function cursorAfterMark({ erasedAt, erasedBy }: ErasedMark): string {
  return encodeCursor([erasedAt, erasedBy]);
}

function afterPlace(cursor: string): Prisma.TenantGateWhereInput {
  const [time, erasedBy] = decodeCursor(stored, cursor);
  const erasedAt = new Date(time);
  return { OR: [{ erasedAt: { gt: erasedAt } }, { erasedAt, erasedBy: { gt: erasedBy } }] };
}

/** How a mark leaves the records. */
export function publishedMark(
  { tenantId, keyHashed, erasedAt, erasedBy }: ErasedMark,
  publicKeyOf: (tenantId: string) => string,
): ErasedTenant {
  const uuid = !keyHashed && isPublicTenantKey(tenantId);
  return {
    tenant: keyHashed ? tenantId : publicKeyOf(tenantId),
    key: uuid ? 'uuid' : 'hashed',
    erased_at: erasedAt,
    job_id: erasedBy,
  };
}

/** Nothing is marked, so nothing can be done about it. */
export function notErased(): Problem {
  return new Problem(
    'not_erased',
    'This tenant has not been erased, or its mark was lifted. Look at its jobs.',
  );
}
