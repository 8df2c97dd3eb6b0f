/** Signed heads over all chains, each with the hash of the one before. */
import {
  AUDIT_HEAD_FORMAT,
  AUDIT_HEAD_TYPE,
  AUDIT_HEAD_VERSION,
  type AuditHead,
  rootOf,
} from '../proof/audit-head.js';
import { sha256 } from '../proof/canonical.js';
import { signJws } from '../proof/jws.js';
import { markChainsSigned } from './audit-sql.js';
import type { Database } from './database.js';
import type { ProofRecords } from './proof-types.js';

const DAY_MS = 24 * 3_600_000;
/** How many are given at once: fewer are the last. */
export const HEADS_A_PAGE = 100;

export function auditHeads(database: Database): Pick<ProofRecords, 'auditHeads' | 'signAuditHead'> {
  return {
    async auditHeads(after) {
      const rows = await database.read((client) =>
        client.auditHead.findMany({
          where: { sequence: { gt: after } },
          orderBy: { sequence: 'asc' },
          take: HEADS_A_PAGE,
        }),
      );
      return rows.map(({ sequence, signedAt, jws }) => ({
        sequence,
        signed_at: signedAt.toISOString(),
        jws,
      }));
    },

    signAuditHead: ({ issuer, key, atOnce = false }) =>
      database.transaction(async (client) => {
        const last = await client.auditHead.findFirst({ orderBy: { sequence: 'desc' } });
        const now = new Date();
        // By calendar day, so that a routine that comes a little early each day leaves none out.
        if (!atOnce && last && dayOf(last.signedAt) >= dayOf(now)) return null;
        const changed = await markChainsSigned(client);
        const chains = await client.auditChain.findMany({
          where: { signedHash: { not: null } },
          select: { chain: true, signedLength: true, signedHash: true, removedAt: true },
        });
        const removed = chains.filter(({ removedAt }) => removedAt !== null).map(({ chain }) => chain);
        const signed = chains
          .filter(({ removedAt }) => removedAt === null)
          .map(({ chain, signedLength, signedHash }) => ({
            chain,
            length: Number(signedLength),
            hash: signedHash ?? '',
          }));
        const head: AuditHead = {
          format: AUDIT_HEAD_FORMAT,
          version: AUDIT_HEAD_VERSION,
          issuer,
          sequence: (last?.sequence ?? 0) + 1,
          signed_at: now.toISOString(),
          previous: last === null ? null : sha256(last.jws),
          chains: signed.length,
          root: rootOf(signed),
          changed: changed.map(({ chain, length, hash }) => ({ chain, length: Number(length), hash })),
          removed,
        };
        const jws = await signJws(head, AUDIT_HEAD_TYPE, key);
        // It has been told that they are gone; what is left of them goes with the next removal.
        await client.auditChain.updateMany({
          where: { chain: { in: removed } },
          data: { signedHash: null },
        });
        // Two that sign at once would give the same number: one of them fails, and finds it done.
        await client.auditHead.create({
          data: { sequence: head.sequence, signedAt: now, kid: key.kid, jws },
          select: { sequence: true },
        });
        return { sequence: head.sequence, signed_at: head.signed_at, jws };
      }),
  };
}

function dayOf(time: Date): number {
  return Math.floor(time.getTime() / DAY_MS);
}
