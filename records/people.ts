/** Forgetting a person: what was done stays, and who it was is not known any more. */
import { Problem } from '../protocol/problems.js';
import { writeEvent } from './audit.js';
import { forgetPerson } from './audit-sql.js';
import type { Client, Database } from './database.js';
import type { ProofRecords } from './proof-types.js';

export function peopleRecords(database: Database): Pick<ProofRecords, 'forgetPerson'> {
  return {
    forgetPerson: (userId, actor) =>
      database.transaction(async (client) => {
        // Who asked may not approve, so nobody is forgotten while that still depends on who it was.
        const waiting = await tenantsThatWaitFor(client, userId);
        if (waiting.length > 0) {
          throw new Problem(
            'deletion_open',
            'Something that this user asked for is still open; the user can be forgotten when it has ended.',
            { tenant_ids: waiting },
          );
        }
        const pseudonym = await forgetPerson(client, userId);
        if (pseudonym === null) {
          throw new Problem('user_unknown', 'The records know no such user, or have forgotten them already.');
        }
        await writeEvent(client, {
          jobId: null,
          tenantId: null,
          actor,
          action: 'person forgotten',
          details: { person: pseudonym },
        });
        return pseudonym;
      }),
  };
}

async function tenantsThatWaitFor(client: Client, userId: string): Promise<string[]> {
  const select = { tenantId: true } as const;
  const [jobs, releases] = [
    await client.deletionJob.findMany({ where: { requestedBy: userId, endedAt: null }, select }),
    await client.tombstoneRelease.findMany({ where: { requestedBy: userId, closedAt: null }, select }),
  ];
  return [...new Set([...jobs, ...releases].map(({ tenantId }) => tenantId))];
}
