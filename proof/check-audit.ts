/**
 * Checks an export of the audit trail with nothing but the export, and finds what was changed, taken out, put in or
 * moved. With signed heads also what was cut off at the end, and what was written anew from some point on.
 */
import {
  type AuditEntry,
  type AuditExportHead,
  auditEntry,
  auditExportHead,
  entryHash,
  GENESIS,
} from './audit-chain.js';
import type { AuditFault, AuditFinding } from './audit-finding.js';
import { NO_HEADS, type SignedChains } from './check-audit-heads.js';

export interface AuditCheck {
  readonly events: number;
  readonly chains: number;
  /** What was asked for when it was exported; a part of the trail begins and ends where it was asked to. */
  readonly head: AuditExportHead | null;
  /** Signed heads that it was compared with; 0: an end that was cut off cannot be seen. */
  readonly headsCompared: number;
  readonly findings: readonly AuditFinding[];
}

interface ChainState {
  /** Of the event that reaches furthest so far. */
  position: number;
  hash: string;
  /** Positions that were passed over; they may still come. */
  readonly missing: Set<number>;
}

const MOST_FINDINGS = 1_000;
const MOST_MISSING = 10_000;

/** Takes an export line by line; what it keeps grows with the chains, not with the events. */
export class AuditChecker {
  private readonly findings: AuditFinding[] = [];
  private readonly states = new Map<string, ChainState>();
  private head: AuditExportHead | null = null;
  private line = 0;
  private events = 0;

  constructor(private readonly signed: SignedChains = NO_HEADS) {
    this.findings.push(...signed.findings);
  }

  add(text: string): void {
    this.line += 1;
    if (text === '') return;
    const value = jsonOf(text);
    const head = this.line === 1 ? auditExportHead.safeParse(value) : null;
    if (head?.success) {
      this.head = head.data;
      return;
    }
    const entry = auditEntry.safeParse(value);
    if (!entry.success) {
      this.find('unreadable', null, null, this.line, 'The line is no event of an audit trail.');
      return;
    }
    this.events += 1;
    this.checkEntry(entry.data);
  }

  /** After the last line. */
  finish(): AuditCheck {
    for (const { chain, length } of this.signed.chains.values()) this.checkEnd(chain, length);
    return {
      events: this.events,
      chains: this.states.size,
      head: this.head,
      headsCompared: this.signed.heads,
      findings: this.findings,
    };
  }

  private checkEntry(entry: AuditEntry): void {
    const { chain, position, hash } = entry;
    if (entryHash(entry) !== hash) {
      this.findAt(
        entry,
        'changed',
        'Its hash is not that of what it says: it was changed after it was written.',
      );
    }
    const signed = this.signed.hashes.get(chain)?.get(position);
    if (signed !== undefined && signed !== hash) {
      const why =
        'A signed head, or the certificate, has another hash here: the chain was written anew, here or before.';
      this.findAt(entry, 'rewritten', why);
    }
    const state = this.states.get(chain);
    if (state === undefined) {
      this.checkFirst(entry);
      this.states.set(chain, { position, hash, missing: new Set() });
      return;
    }
    this.checkFollows(entry, state);
    if (position <= state.position) return;
    state.position = position;
    state.hash = hash;
  }

  private checkFirst(entry: AuditEntry): void {
    const { chain, position, previous_hash: previous } = entry;
    if (position > 1 && !this.isPart(chain)) {
      this.findAt(entry, 'removed', `The chain begins with event ${position}; what came before is missing.`);
    }
    if (position === 1 && previous !== GENESIS) {
      this.findAt(entry, 'exchanged', 'It is the first of its chain, and says that another one came before.');
    }
  }

  private checkFollows(entry: AuditEntry, state: ChainState): void {
    const { position, previous_hash: previous } = entry;
    if (position <= state.position) {
      const moved = state.missing.delete(position);
      if (moved)
        this.findAt(entry, 'reordered', `It stands behind event ${state.position}, and comes before it.`);
      else this.findAt(entry, 'inserted', `There are two events ${position} in this chain.`);
    } else if (position > state.position + 1) {
      if (this.isPart(entry.chain)) return;
      const from = state.position + 1;
      for (let one = from; one < position && state.missing.size < MOST_MISSING; one += 1) {
        state.missing.add(one);
      }
      const which = from === position - 1 ? `Event ${from}` : `Events ${from} to ${position - 1}`;
      this.findAt(entry, 'removed', `${which} of the chain should stand before it.`);
    } else if (previous !== state.hash) {
      const why = `It does not follow event ${state.position} as that stands here: one of the two is not what was written.`;
      this.findAt(entry, 'exchanged', why);
    }
  }

  private checkEnd(chain: string, length: number): void {
    if (this.isPart(chain)) return;
    const position = this.states.get(chain)?.position ?? 0;
    if (position >= length) return;
    const why =
      position === 0
        ? `The whole chain is missing; what was signed has ${length} events of it.`
        : `It ends with event ${position}; what was signed has ${length}: its end was cut off.`;
    this.find('cut', chain, position, null, why);
  }

  /** Whether not all events of the chain were asked for, so that it may begin later, or have gaps. */
  private isPart(chain: string): boolean {
    const filter = this.head?.filter;
    if (filter === undefined) return false;
    const { job_id: jobId, tenant_id: tenantId, from, to } = filter;
    return tenantId !== null || from !== null || to !== null || (jobId !== null && chain !== `job/${jobId}`);
  }

  private findAt(entry: AuditEntry, fault: AuditFault, why: string): void {
    this.find(fault, entry.chain, entry.position, this.line, why);
  }

  private find(
    fault: AuditFault,
    chain: string | null,
    position: number | null,
    line: number | null,
    why: string,
  ): void {
    if (this.findings.length < MOST_FINDINGS) this.findings.push({ fault, chain, position, line, why });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
