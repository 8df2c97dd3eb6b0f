/** Approval, holds and halt on the command line. */
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../../cli/exit-codes.js';
import { legalHold } from '../../../protocol/gate.js';
import { jobView } from '../../../protocol/jobs.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { type CliOptions, lethe } from '../../support/cli.js';

let api: TestApi;
let apiUrl: string;
let operator: string;
let approver: string;

beforeAll(async () => {
  api = await openTestApi();
  apiUrl = await api.app.listen({ host: '127.0.0.1', port: 0 });
  operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
  approver = await api.users.token({ userId: await api.user(), roles: ['approver'] });
});
afterAll(() => api?.close());

const run = async (words: readonly string[], token = operator, more: Partial<CliOptions> = {}) => {
  const { exit, out, err } = await lethe(words, { apiUrl, token, ...more });
  return { exit, text: stripVTControlCharacters(out + err) };
};
const tenant = async () => api.tenant({ [await api.user()]: 'owner' });

describe('lethe', () => {
  it('asks for an approval, shows what is to be approved, and lets somebody else say it', async () => {
    const asked = await run(['--json', 'delete', await tenant(), '--no-watch', '--require-approval']);
    const { job_id: id } = jobView.parse(JSON.parse(asked.text));
    const order = { epoch: await api.records.beginRun(id, 'run'), number: 1 };
    const plans = [{ service: 'orders', planHash: 'a'.repeat(64), rows: 3, tables: null }];
    await api.records.recordCheck(id, order, { plans, previewHash: null });
    const { waitingFor } = await api.records.passGate(id, 'suspend');
    const waits = { status: 'waiting', phase: 'approval', waitingFor } as const;
    await api.records.updateJob(id, { ...order, number: 2 }, waits);
    const hash = (await api.records.getJob(id)).approval_hash ?? '';

    // It would wait for days: the watch ends, and says who has to do what.
    const watched = await run(['jobs', 'watch', id]);
    expect(watched.exit).toBe(EXIT.needsAttention);
    expect(watched.text).toContain(`lethe jobs approve ${id} --hash ${hash}`);
    const said = ['--hash', hash, '--reason', 'the contract has ended'];
    const own = await run(['jobs', 'approve', id, ...said]);
    expect(own).toMatchObject({ exit: EXIT.failed, text: expect.stringContaining('approver_is_requester') });
    const wrong = await run(['jobs', 'approve', id, '--hash', 'b'.repeat(64), '--reason', 'x'], approver);
    expect(wrong).toMatchObject({ exit: EXIT.failed, text: expect.stringContaining('approval_stale') });
    expect(await run(['jobs', 'approve', id, ...said], approver)).toMatchObject({ exit: EXIT.ok });
    expect((await run(['jobs', 'show', id])).text).toMatch(
      /approved .* \(approver\), until .*contract has ended/,
    );
    expect(await run(['jobs', 'reject', id, ...said], approver)).toMatchObject({ exit: EXIT.ok });
    expect(await api.records.getJob(id)).toMatchObject({ decision: 'abort', abort_cause: 'refusal' });
  });

  it('places, lists and lifts holds, which say why a deletion is refused', async () => {
    const id = await tenant();
    const placed = await run(['--json', 'holds', 'place', id, '--reason', 'a lawsuit'], approver);
    const { hold_id: hold } = legalHold.parse(JSON.parse(placed.text));
    const refused = await run(['delete', id, '--no-watch']);
    expect(refused).toMatchObject({ exit: EXIT.failed, text: expect.stringContaining('lethe holds list') });
    expect((await run(['holds', 'list', id])).text).toMatch(/a lawsuit +stands/);
    expect(await run(['holds', 'lift', hold, '--reason', 'settled & closed'], approver)).toMatchObject({
      exit: EXIT.ok,
    });
    expect((await run(['holds', 'list', id])).text).toContain('settled & closed');
    expect(await run(['holds', 'place', id], approver)).toMatchObject({ exit: EXIT.usage });
  });

  it('halts, says so, brings back, and resumes', async () => {
    const { text } = await run(['--json', 'delete', await tenant(), '--no-watch']);
    const { job_id: id } = jobView.parse(JSON.parse(text));
    expect((await run(['jobs', 'halt'])).text).toContain('Nothing is halted');
    expect(await run(['jobs', 'halt', '--and-restore'])).toMatchObject({ exit: EXIT.usage });
    const halted = await run(['jobs', 'halt', '--reason', 'the wrong ids', '--and-restore']);
    expect(halted.text).toMatch(/\d+ jobs? (goes|go) back/);
    expect((await run(['jobs', 'halt'])).text).toContain('the wrong ids');
    expect(await api.records.getJob(id)).toMatchObject({ decision: 'abort', abort_cause: 'cancel' });
    expect(await run(['jobs', 'resume', '--reason', 'mended'])).toMatchObject({ exit: EXIT.ok });
    expect(await api.records.haltState()).toMatchObject({ halted: false });
  });

  it('has a person at a terminal type the name of what they delete', async () => {
    const id = await tenant();
    const wrong = await run(['delete', id, '--no-watch'], operator, { typed: ['Butcher'] });
    expect(wrong.exit).toBe(EXIT.usage);
    expect(wrong.text).toMatch(/Bakery: 1 member, \d+ rows/);
    expect(await api.records.openJobOf(id)).toBeNull();
    expect(await run(['delete', id, '--no-watch'], operator, { typed: ['Bakery'] })).toMatchObject({
      exit: EXIT.ok,
    });
    const other = await tenant();
    const mistaken = await run(['delete', other, '--no-watch', '--confirm-name', 'Butcher']);
    expect(mistaken).toMatchObject({ exit: EXIT.failed, text: expect.stringContaining('name_mismatch') });
  });
});
