/** Reads signed heads, and gives what they say of each chain. */
import type { JSONWebKeySet } from 'jose';
import type { AuditFinding } from './audit-finding.js';
import { AUDIT_HEAD_TYPE, type AuditHead, auditHead, type ChainHead, rootOf } from './audit-head.js';
import { sha256 } from './canonical.js';
import type { Certificate } from './certificate.js';
import { checkJws } from './jws.js';

export interface SignedChains {
  /** Heads that hold. */
  readonly heads: number;
  /** The last known head of each chain that was not removed since. */
  readonly chains: ReadonlyMap<string, ChainHead>;
  /** By chain, the hash at each position that a head names. */
  readonly hashes: ReadonlyMap<string, ReadonlyMap<number, string>>;
  readonly findings: readonly AuditFinding[];
}

export const NO_HEADS: SignedChains = { heads: 0, chains: new Map(), hashes: new Map(), findings: [] };

/** `jwsList`: oldest first; all of them, or the last ones. */
export async function readSignedHeads(
  jwsList: readonly string[],
  keys: JSONWebKeySet,
): Promise<SignedChains> {
  const chains = new Map<string, ChainHead>();
  const hashes = new Map<string, Map<number, string>>();
  const findings: AuditFinding[] = [];
  const find = (fault: 'head_invalid' | 'head_missing', why: string) =>
    findings.push({ fault, chain: null, position: null, line: null, why });
  let heads = 0;
  let previous: { readonly head: AuditHead; readonly jws: string } | null = null;
  // Only who has them from the first on knows every chain.
  let fromFirst = true;
  for (const jws of jwsList) {
    const read = await readHead(jws, keys);
    if (typeof read === 'string') {
      find('head_invalid', read);
      fromFirst = false;
      continue;
    }
    const follows: boolean =
      previous === null
        ? read.sequence === 1
        : read.sequence === previous.head.sequence + 1 && read.previous === sha256(previous.jws);
    if (previous !== null && !follows) {
      const numbers = `Head ${read.sequence} does not follow head ${previous.head.sequence}`;
      find('head_missing', `${numbers}: one between them is missing, or one of them is another one.`);
    }
    fromFirst &&= follows;
    for (const one of read.changed) {
      chains.set(one.chain, one);
      hashes.set(one.chain, (hashes.get(one.chain) ?? new Map()).set(one.length, one.hash));
    }
    for (const chain of read.removed) chains.delete(chain);
    if (fromFirst && rootOf([...chains.values()]) !== read.root) {
      find('head_invalid', `Head ${read.sequence} has another root than all heads up to it lead to.`);
    }
    heads += 1;
    previous = { head: read, jws };
  }
  return { heads, chains, hashes, findings };
}

/** Adds what a certificate says of its job's chain: where it stood, and with which hash. */
export function withCertificate(signed: SignedChains, { audit }: Pick<Certificate, 'audit'>): SignedChains {
  const { chain, position, hash } = audit;
  const known = signed.chains.get(chain);
  const head = known !== undefined && known.length >= position ? known : { chain, length: position, hash };
  const hashes = new Map(signed.hashes.get(chain)).set(position, hash);
  return {
    ...signed,
    chains: new Map(signed.chains).set(chain, head),
    hashes: new Map(signed.hashes).set(chain, hashes),
  };
}

/** The head, or what is wrong with it. */
async function readHead(jws: string, keys: JSONWebKeySet): Promise<AuditHead | string> {
  const checked = await checkJws(jws, AUDIT_HEAD_TYPE, keys);
  if (checked.fault !== null) return `A signed head does not hold. ${checked.why}`;
  const head = auditHead.safeParse(checked.payload);
  return head.success ? head.data : 'A head is signed, but does not say what one has to say.';
}
