/** The halt of everything: one row, which each pivot shares to its commit. */
import type { HaltState } from '../protocol/gate.js';
import { writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import type { GateRecords } from './gate-types.js';
import { type LockedHalt, lockHalt } from './sql.js';
import type { Actor } from './types.js';

export function haltRecords(database: Database): Pick<GateRecords, 'halt' | 'resume' | 'haltState'> {
  async function set(client: Client, reason: string | null, actor: Actor): Promise<HaltState> {
    // Waits for every pivot that has begun; whichever begins later sees what is written here.
    const before = await lockHalt(client);
    if ((before.haltedAt !== null) === (reason !== null)) return stateOf(before);
    const data =
      reason === null
        ? { haltedAt: null, haltedBy: null, reason: null }
        : { haltedAt: before.now, haltedBy: actor.id, reason };
    await client.deletionHalt.update({ where: { id: 1 }, data });
    return stateOf(data);
  }

  return {
    halt: (reason, actor) =>
      database.transaction(async (client) => {
        const state = await set(client, reason, actor);
        await writeEvent(client, {
          jobId: null,
          tenantId: null,
          actor,
          action: 'everything halted',
          details: { reason },
        });
        return state;
      }),

    resume: (reason, actor) =>
      database.transaction(async (client) => {
        const state = await set(client, null, actor);
        await writeEvent(client, {
          jobId: null,
          tenantId: null,
          actor,
          action: 'everything resumed',
          details: { reason },
        });
        return state;
      }),

    haltState: async () => {
      const row = await database.read((client) =>
        client.deletionHalt.findUniqueOrThrow({ where: { id: 1 } }),
      );
      return stateOf(row);
    },
  };
}

function stateOf({ haltedAt, haltedBy, reason }: Omit<LockedHalt, 'now'>): HaltState {
  return { halted: haltedAt !== null, reason, by: haltedBy, since: haltedAt?.toISOString() ?? null };
}
