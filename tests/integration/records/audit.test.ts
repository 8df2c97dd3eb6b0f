import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuditHead, createOldRecords } from '../../../activities/record-keeping.js';
import { type AuditEntry, entryHash } from '../../../proof/audit-chain.js';
import { AuditChecker } from '../../../proof/check-audit.js';
import { readSignedHeads } from '../../../proof/check-audit-heads.js';
import type { SigningKey } from '../../../proof/jws.js';
import { readSigningKeys, writeSigningKey } from '../../../protocol/keys.js';
import type { AuditFilter } from '../../../records/proof-types.js';
import type { Actor, Records } from '../../../records/types.js';
import {
  ended,
  expectProblem,
  OPERATOR,
  OWNER,
  open,
  openTestRecords,
  SAGA,
  type TestRecords,
} from './support.js';

let test: TestRecords;
let records: Records;
let key: SigningKey;
let keys: JSONWebKeySet;
beforeAll(async () => {
  test = await openTestRecords();
  ({ records } = test);
  const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
  key = { kid: 'k1', privateKey: pair.privateKey };
  keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1' }] };
});
afterAll(() => test?.close());

const sign = (atOnce = true) => records.signAuditHead({ issuer: 'tests', key, atOnce });

async function exported(filter: AuditFilter = {}): Promise<AuditEntry[]> {
  const events: AuditEntry[] = [];
  for await (const event of records.auditExport(filter)) events.push(event);
  return events;
}

async function findings(filter: AuditFilter = {}, heads: readonly string[] = []): Promise<string[]> {
  const checker = new AuditChecker(await readSignedHeads(heads, keys));
  for (const event of await exported(filter)) checker.add(JSON.stringify(event));
  return checker.finish().findings.map(({ fault, chain, position }) => `${fault} ${chain} ${position}`);
}

const allHeads = async () => (await records.auditHeads(0)).map(({ jws }) => jws);
/** As a superuser who switches off what is in the way. */
async function tamper(sql: string, values: unknown[] = []): Promise<void> {
  await test.superuser.query('ALTER TABLE lethe_records.audit_events DISABLE TRIGGER USER');
  await test.superuser.query(sql, values);
  await test.superuser.query('ALTER TABLE lethe_records.audit_events ENABLE TRIGGER USER');
}
const event = (jobId: string | null, action: string, actor: Actor = SAGA, details = {}) => ({
  jobId,
  tenantId: null,
  actor,
  action,
  details,
});

describe('a chain', () => {
  it('under twenty writers at once has no gap, no fork, and events that hash as they are read', async () => {
    const { job_id } = await open(records);
    const odd = { text: 'ü "\\\u2028 </script>', number: 1e21, small: 1.5e-7, no: false, none: null };
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? records : test.other).audit(event(job_id, `event ${index}`, SAGA, { ...odd, index })),
      ),
    );
    const chain = (await exported()).filter(({ chain: name }) => name === `job/${job_id}`);
    expect(chain.map(({ position }) => position)).toEqual(
      Array.from({ length: 21 }, (_, index) => index + 1),
    );
    for (const one of chain) expect(entryHash(one)).toBe(one.hash);
    expect(await findings()).toEqual([]);
  });

  it('is its job’s; what is about no job that there is, is in the tenant’s or in the platform’s', async () => {
    const job = await open(records);
    const month = new Date().toISOString().slice(0, 7);
    await records.audit(event(randomUUID(), 'refused POST'));
    await records.audit({ ...event(null, 'ownership transferred'), tenantId: job.tenant_id });
    const last = (await records.auditPage({ limit: 500 })).events.slice(-3);
    expect(last.map(({ chain }) => chain)).toEqual([
      `job/${job.job_id}`,
      `platform/${month}`,
      `tenant/${month}/${job.tenant_id}`,
    ]);
  });

  it('goes on where a clock went back: times may, positions do not', async () => {
    const { job_id } = await open(records);
    await tamper(
      `UPDATE lethe_records.audit_chains SET last_at = now() + interval '1 day' WHERE chain = $1`,
      [`job/${job_id}`],
    );
    await records.audit(event(job_id, 'later'));
    const { rows } = await test.superuser.query(
      'SELECT last_at > now() AS ahead, length FROM lethe_records.audit_chains WHERE chain = $1',
      [`job/${job_id}`],
    );
    expect(rows).toEqual([{ ahead: true, length: '2' }]);
    expect(await findings({ jobId: job_id })).toEqual([]);
  });

  it('takes no event that does not follow its head, and nobody else moves the head', async () => {
    const { job_id } = await open(records);
    const insert = `INSERT INTO lethe_records.audit_events
      (at, action, actor_kind, actor_id, actor_role, job_id, chain, position, previous_hash, hash)
      VALUES (now(), 'x', 'system', 'x', 'x', $1, $2, $3, $4, $4)`;
    const zeros = '0'.repeat(64);
    for (const position of [1, 2, 9]) {
      const values = [job_id, `job/${job_id}`, position, zeros];
      await expect(test.superuser.query(insert, values)).rejects.toMatchObject({
        code: expect.stringMatching(/^(23514|23505)$/),
      });
    }
    for (const sql of [
      'UPDATE lethe_records.audit_events SET action = action',
      'DELETE FROM lethe_records.audit_events',
      'TRUNCATE lethe_records.audit_events',
    ]) {
      await expect(test.superuser.query(sql)).rejects.toMatchObject({ code: '23514' });
    }
    expect(await findings({ jobId: job_id })).toEqual([]);
  });
});

describe('a superuser who tampers with the trail', () => {
  it('is found: a row changed, removed, moved to another chain, a tail cut, a chain written anew', async () => {
    const jobs = await Promise.all(Array.from({ length: 4 }, () => ended(records, 'completed')));
    const [changed = '', removed = '', cut = '', anew = ''] = jobs.map(({ job_id }) => job_id);
    expect(await sign()).toMatchObject({ sequence: 1 });
    expect(await findings({}, await allHeads())).toEqual([]);

    await tamper(
      `UPDATE lethe_records.audit_events SET actor_id = 'somebody else' WHERE job_id = $1 AND position = 3`,
      [changed],
    );
    await tamper('DELETE FROM lethe_records.audit_events WHERE job_id = $1 AND position = 2', [removed]);
    const [last] = (await exported({ jobId: cut })).slice(-1);
    await tamper('DELETE FROM lethe_records.audit_events WHERE job_id = $1 AND position = $2', [
      cut,
      last?.position,
    ]);
    // With hashes that fit, as somebody does who has read how it works.
    let previous = '';
    for (const { hash: _, ...rest } of await exported({ jobId: anew })) {
      const role = rest.position === 2 ? 'nobody' : rest.actor.role;
      const forged = {
        ...rest,
        actor: { ...rest.actor, role },
        previous_hash: previous === '' ? rest.previous_hash : previous,
      };
      previous = entryHash(forged);
      await tamper(
        `UPDATE lethe_records.audit_events SET actor_role = $3, previous_hash = $4, hash = $5
         WHERE job_id = $1 AND position = $2`,
        [anew, rest.position, role, forged.previous_hash, previous],
      );
    }
    const shown = await findings();
    expect(shown.sort()).toEqual([`changed job/${changed} 3`, `removed job/${removed} 3`].sort());
    const withHeads = await findings({}, await allHeads());
    const length = last?.position ?? 0;
    expect(withHeads).toEqual(
      expect.arrayContaining([
        ...shown,
        `cut job/${cut} ${length - 1}`,
        expect.stringMatching(new RegExp(`^rewritten job/${anew}`)),
      ]),
    );
    expect(withHeads).toHaveLength(4);
    // Back to a trail that holds, for the tests that follow.
    await tamper(`DELETE FROM lethe_records.audit_events WHERE job_id = ANY ($1)`, [
      [changed, removed, cut, anew],
    ]);
    await test.superuser.query(
      `UPDATE lethe_records.audit_chains SET removed_at = now() WHERE chain = ANY ($1)`,
      [[changed, removed, cut, anew].map((id) => `job/${id}`)],
    );
  });
});

describe('signed heads', () => {
  it('are one a day, each with the one before, and say what grew and what was removed', async () => {
    const { job_id } = await open(records);
    expect(await sign(false)).toBeNull();
    const [one, two] = [await sign(), await sign()];
    expect([one?.sequence, two?.sequence]).toEqual([2, 3]);
    const heads = await allHeads();
    const said = heads.map((jws) =>
      JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')),
    );
    expect(said[1].changed.map(({ chain }: { chain: string }) => chain)).toContain(`job/${job_id}`);
    expect(said[1].removed).toHaveLength(4);
    expect([said[2].changed, said[2].removed]).toEqual([[], []]);
    expect(await findings({}, heads)).toEqual([]);
    const held = test.superuser.query(`UPDATE lethe_records.audit_heads SET jws = 'x'`);
    await expect(held).rejects.toMatchObject({ code: '23514' });
  });
});

describe('what runs by itself', () => {
  it('signs a head a day with the key that is there then, and fails where there is none', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lethe-heads-'));
    const context = { cursor: null, runId: 'r', dueAt: new Date(), signal: new AbortController().signal };
    const keeping = {
      issuer: 'tests',
      readKeys: () => readSigningKeys(directory, 'records'),
      recordsMs: 90 * 24 * 3_600_000,
      certificatesMs: null,
    };
    await expect(createAuditHead({ records, keeping })(context)).rejects.toThrow(/no private key/);
    await writeSigningKey(directory, 'records');
    // Today's is there, as the tests before have signed it.
    expect((await createAuditHead({ records, keeping })(context)).outcome).toEqual({ signed: 0 });
    const removed = await createOldRecords({ records, keeping })(context);
    expect(removed.outcome).toEqual({ jobs: 0, events: 0, certificates: 0 });
    const forEver = { ...keeping, recordsMs: null };
    expect((await createOldRecords({ records, keeping: forEver })(context)).outcome).toEqual({});
    rmSync(directory, { recursive: true });
  });
});

describe('a person', () => {
  it('stands in the trail by pseudonym, and forgotten nowhere at all, with every chain whole', async () => {
    const person: Actor = { kind: 'user', id: `person-${randomUUID()}`, role: 'operator' };
    const job = await open(records, { actor: person, readers: [person.id, OWNER.id] });
    await expectProblem(records.forgetPerson(person.id, OPERATOR), 'deletion_open');
    await records.decideAbort(job.job_id, 'cancel', person);
    await records.endJob(job.job_id, { epoch: 1, number: 1 }, 'cancelled', 'As asked.');
    await records.audit({ ...event(null, 'told'), people: { about: person.id } });
    const hold = await records.placeHold(job.tenant_id, 'A court asks.', person);
    await records.liftHold(hold.hold_id, 'It does not any more.', person);
    const before = await exported();
    expect(JSON.stringify(before)).not.toContain(person.id);
    const [asked] = await exported({ jobId: job.job_id });
    const pseudonym = asked?.actor.id ?? '';
    const { people } = await records.auditPage({ jobId: job.job_id, limit: 10 });
    expect(people).toEqual({ [pseudonym]: person.id });
    expect((await records.getJob(job.job_id)).requested_by).toBe(person.id);
    expect(await records.mayRead(job.job_id, person.id)).toBe(true);
    expect(await placesOf(person.id)).toContain('lethe_records.legal_holds');

    expect(await records.forgetPerson(person.id, OPERATOR)).toBe(pseudonym);
    expect(await placesOf(person.id)).toEqual([]);
    expect((await records.getJob(job.job_id)).requested_by).toBe(pseudonym);
    expect(await records.mayRead(job.job_id, person.id)).toBe(false);
    expect(await records.mayRead(job.job_id, OWNER.id)).toBe(true);
    const after = await exported();
    expect(after.filter(({ action }) => action !== 'person forgotten')).toEqual(before);
    expect(after.find(({ action }) => action === 'person forgotten')?.details).toEqual({ person: pseudonym });
    expect(await findings({}, await allHeads())).toEqual([]);
    await expectProblem(records.forgetPerson(person.id, OPERATOR), 'user_unknown');
  });

  /** Every table of the records, every column. */
  async function placesOf(text: string): Promise<string[]> {
    const { rows: tables } = await test.superuser.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class AS c
       WHERE c.relnamespace = 'lethe_records'::regnamespace AND c.relkind = 'r'`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const { rowCount } = await test.superuser.query(
        `SELECT FROM ${name} AS t WHERE strpos(t::text, $1) > 0 LIMIT 1`,
        [text],
      );
      if (rowCount) found.push(name);
    }
    return found;
  }
});

describe('records that are older than they are kept', () => {
  it('go as a whole, with their chains; the mark, the certificate and what is younger stay', async () => {
    const tenantId = randomUUID();
    const first = await ended(records, 'compensated', { tenantId });
    const second = await ended(records, 'completed', { tenantId, replayOf: first.job_id });
    const young = await ended(records, 'completed');
    await sign();
    await test.superuser.query('ALTER TABLE lethe_records.deletion_jobs DISABLE TRIGGER USER');
    await test.superuser.query(
      `UPDATE lethe_records.deletion_jobs SET ended_at = ended_at - interval '100 days' WHERE tenant_id = $1`,
      [tenantId],
    );
    await test.superuser.query('ALTER TABLE lethe_records.deletion_jobs ENABLE TRIGGER USER');
    await test.superuser.query(
      `UPDATE lethe_records.audit_chains SET last_at = last_at - interval '100 days' WHERE chain = ANY ($1)`,
      [[first, second].map(({ job_id }) => `job/${job_id}`)],
    );
    const before = new Date(Date.now() - 90 * 24 * 3_600_000).toISOString();
    const removed = await records.removeOldRecords({ before });
    expect(removed).toMatchObject({ jobs: 2, certificates: 0 });
    expect(removed.events).toBeGreaterThan(5);
    for (const { job_id } of [first, second]) {
      await expectProblem(records.getJob(job_id), 'job_unknown');
      expect(await exported({ jobId: job_id })).toEqual([]);
    }
    expect(await records.isErased(tenantId)).toBe(true);
    expect(await records.certificateOf(second.job_id)).toMatchObject({ tenantId });
    expect(await records.getJob(young.job_id)).toEqual(young);
    // The next head says that they are gone, and then the trail holds by all heads again.
    expect(await findings({}, await allHeads())).toEqual(
      expect.arrayContaining([first, second].map(({ job_id }) => `cut job/${job_id} 0`)),
    );
    await sign();
    expect(await findings({}, await allHeads())).toEqual([]);
    expect(await records.removeOldRecords({ before })).toEqual({ jobs: 0, events: 0, certificates: 0 });
    const { rows } = await test.superuser.query(
      'SELECT count(*)::int AS n FROM lethe_records.audit_chains WHERE removed_at IS NOT NULL',
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('are not what is younger than a month, whoever says so', async () => {
    const before = new Date(Date.now() - 20 * 24 * 3_600_000).toISOString();
    await expect(records.removeOldRecords({ before })).rejects.toThrow();
    const old = '2020-01-01T00:00:00Z';
    await expect(records.removeOldRecords({ before: old, certificatesBefore: before })).rejects.toThrow();
  });
});
