import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AuditEntry, entryHash, GENESIS } from '../../../proof/audit-chain.js';
import { AUDIT_HEAD_TYPE, type AuditHead, type ChainHead, rootOf } from '../../../proof/audit-head.js';
import { sha256 } from '../../../proof/canonical.js';
import { AuditChecker } from '../../../proof/check-audit.js';
import { readSignedHeads } from '../../../proof/check-audit-heads.js';
import { type SigningKey, signJws } from '../../../proof/jws.js';

/** A chain as it is written. */
function chainOf(chain: string, length: number): AuditEntry[] {
  const events: AuditEntry[] = [];
  for (let position = 1; position <= length; position += 1) {
    const event = {
      chain,
      position,
      // Clocks go back, too.
      at: new Date(1_700_000_000_000 - position * 1_000).toISOString(),
      action: 'step reached',
      actor: { kind: 'system' as const, id: 'lethe', role: 'saga' },
      request_id: null,
      job_id: null,
      tenant_id: null,
      details: { phase: `phase ${position}`, rows: position, done: true, none: null },
      previous_hash: events.at(-1)?.hash ?? GENESIS,
    };
    events.push({ ...event, hash: entryHash(event) });
  }
  return events;
}

/** Written anew from there on, with hashes that fit. */
function rewritten(events: readonly AuditEntry[], from: number, change: Partial<AuditEntry>): AuditEntry[] {
  const kept = events.slice(0, from - 1);
  for (const event of events.slice(from - 1)) {
    const { hash: _, ...rest } = event;
    const changed = {
      ...rest,
      ...(event.position === from && change),
      previous_hash: kept.at(-1)?.hash ?? GENESIS,
    };
    kept.push({ ...changed, hash: entryHash(changed) });
  }
  return kept;
}

async function check(events: readonly object[], heads: readonly string[] = [], filter?: object) {
  const checker = new AuditChecker(await readSignedHeads(heads, keys));
  if (filter) {
    const whole = { job_id: null, tenant_id: null, from: null, to: null, ...filter };
    const head = {
      format: 'lethe-audit-export',
      version: 1,
      exported_at: '2026-01-01T00:00:00Z',
      filter: whole,
    };
    checker.add(JSON.stringify(head));
  }
  for (const event of events) checker.add(JSON.stringify(event));
  return checker.finish();
}

const found = async (events: readonly object[], heads: readonly string[] = []) =>
  (await check(events, heads)).findings.map(({ fault, chain, position }) => `${fault} ${chain} ${position}`);

let key: SigningKey;
let keys: JSONWebKeySet;
beforeAll(async () => {
  const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  key = { kid: 'k1', privateKey: pair.privateKey };
  keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1' }] };
});

async function headsOf(states: readonly (readonly ChainHead[])[], removed: readonly string[] = []) {
  const signed: string[] = [];
  let before: readonly ChainHead[] = [];
  for (const [index, state] of states.entries()) {
    const head: AuditHead = {
      format: 'lethe-audit-head',
      version: 1,
      issuer: 'tests',
      sequence: index + 1,
      signed_at: '2026-01-01T00:00:00Z',
      previous: signed.length === 0 ? null : sha256(signed.at(-1) ?? ''),
      chains: state.length,
      root: rootOf(state),
      changed: state.filter(
        ({ chain, length }) => before.find((one) => one.chain === chain)?.length !== length,
      ),
      removed: index === states.length - 1 ? [...removed] : [],
    };
    signed.push(await signJws(head, AUDIT_HEAD_TYPE, key));
    before = state;
  }
  return signed;
}
const headOf = (events: readonly AuditEntry[]): ChainHead => {
  const { chain = '', position = 0, hash = '' } = events.at(-1) ?? {};
  return { chain, length: position, hash };
};

const one = chainOf('job/one', 6);
const two = chainOf('job/two', 3);
const at = (position: number): AuditEntry => one[position - 1] as AuditEntry;
const without = (position: number) => one.filter((event) => event.position !== position);

describe('an export of the audit trail', () => {
  it('holds as it was written, whatever order its chains come in', async () => {
    expect(await check([...one, ...two])).toMatchObject({ events: 9, chains: 2, findings: [] });
    const mixed = [one[0], two[0], one[1], one[2], two[1], one[3], two[2], one[4], one[5]];
    expect((await check(mixed as AuditEntry[])).findings).toEqual([]);
  });

  it.each<[string, object]>([
    ['what was done', { action: 'job ended' }],
    ['when', { at: '2020-01-01T00:00:00.000Z' }],
    ['who', { actor: { kind: 'user', id: 'somebody else', role: 'operator' } }],
    ['a detail', { details: { phase: 'phase 3', rows: 4, done: true, none: null } }],
    ['the hash itself', { hash: 'f'.repeat(64) }],
  ])('changed in %s: found where', async (_, change) => {
    const changed = one.map((event) => (event.position === 3 ? { ...event, ...change } : event));
    expect((await found([...changed, ...two]))[0]).toBe('changed job/one 3');
  });

  it('with events taken out', async () => {
    expect(await found(without(3))).toEqual(['removed job/one 4']);
    expect(await found(one.slice(2))).toEqual(['removed job/one 3']);
    expect((await check(without(3))).findings[0]?.why).toContain('Event 3');
  });

  it('with events moved', async () => {
    const moved = [at(1), at(2), at(4), at(3), at(5), at(6)];
    expect(await found(moved)).toEqual(['removed job/one 4', 'reordered job/one 3']);
  });

  it('with events put in', async () => {
    expect(await found([...one.slice(0, 3), at(3), ...one.slice(3)])).toEqual(['inserted job/one 3']);
    const forged = rewritten(one, 3, { action: 'never happened' })[2] as AuditEntry;
    expect(await found([...one.slice(0, 2), forged, ...one.slice(3)])).toEqual(['exchanged job/one 4']);
    const foreign = { ...at(1), previous_hash: 'a'.repeat(64) };
    expect(await found([{ ...foreign, hash: entryHash(foreign) }])).toEqual(['exchanged job/one 1']);
  });

  it('with lines that are no events', async () => {
    const checker = new AuditChecker();
    for (const line of ['{"chain":', '"x"', '']) checker.add(line);
    expect(checker.finish().findings.map(({ fault, line }) => [fault, line])).toEqual([
      ['unreadable', 1],
      ['unreadable', 2],
    ]);
  });

  it('of a part: begins and has gaps as it was asked for, and still shows a change', async () => {
    const part = [at(2), at(5)];
    expect((await check(part, [], { from: '2020-01-01T00:00:00Z' })).findings).toEqual([]);
    const changed = [at(2), { ...at(5), action: 'x' }];
    expect((await check(changed, [], { tenant_id: 't' })).findings).toMatchObject([{ fault: 'changed' }]);
    // A job's chain is whole, also where only it was asked for.
    expect((await check(without(3), [], { job_id: 'one' })).findings).toMatchObject([{ fault: 'removed' }]);
  });
});

describe('signed heads', () => {
  it('show a cut tail, and nothing else does', async () => {
    const heads = await headsOf([[headOf(one.slice(0, 4))], [headOf(one), headOf(two)]]);
    expect(await check([...one, ...two], heads)).toMatchObject({ findings: [], headsCompared: 2 });
    expect(await found([...one.slice(0, 5), ...two])).toEqual([]);
    expect(await found([...one.slice(0, 5), ...two], heads)).toEqual(['cut job/one 5']);
    expect(await found(one, heads)).toEqual(['cut job/two 0']);
  });

  it('show a chain that was written anew with hashes that fit', async () => {
    const heads = await headsOf([[headOf(one)]]);
    const anew = rewritten(one, 3, { action: 'never happened' });
    expect(await found(anew)).toEqual([]);
    expect(await found(anew, heads)).toEqual(['rewritten job/one 6']);
    // Longer by now: the head still says what stood at its place.
    expect(await found(rewritten(chainOf('job/one', 9), 3, { action: 'x' }), heads)).toEqual([
      'rewritten job/one 6',
    ]);
  });

  it('say of a chain that it was removed as too old', async () => {
    const heads = await headsOf([[headOf(one), headOf(two)], [headOf(two)]], ['job/one']);
    expect(await found(two, heads)).toEqual([]);
  });

  it('are missed where one is left out, and refused where one was changed or is not of these keys', async () => {
    const states = [[headOf(two.slice(0, 1))], [headOf(two.slice(0, 2))], [headOf(two)]];
    const heads = await headsOf(states);
    expect(await found(two, [heads[0] ?? '', heads[2] ?? ''])).toEqual(['head_missing null null']);
    const [head = ''] = heads;
    const changed = `${head.slice(0, 60)}${head[60] === 'A' ? 'B' : 'A'}${head.slice(61)}`;
    expect((await check(two, [changed])).findings).toMatchObject([{ fault: 'head_invalid' }]);
    const other = new AuditChecker(await readSignedHeads(heads, { keys: [] }));
    expect(other.finish().findings[0]?.why).toContain('None of the keys is "k1"');
  });
});
