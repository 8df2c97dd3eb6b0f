import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../../cli/exit-codes.js';
import { childEnvironment } from '../../../config.js';
import { jobPage, jobView, replayedJobs, tenantPreview } from '../../../protocol/jobs.js';
import { Problem } from '../../../protocol/problems.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { complete } from '../../support/certificates.js';
import { type CliOptions, lethe } from '../../support/cli.js';
import { until } from '../../support/conditions.js';
import { programFile } from '../../support/programs.js';

describe('lethe against a running API', () => {
  let api: TestApi;
  let apiUrl: string;
  let operator: string;
  let tenant: string;
  let jobId: string;

  beforeAll(async () => {
    api = await openTestApi();
    apiUrl = await api.app.listen({ host: '127.0.0.1', port: 0 });
    operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
  });
  beforeEach(async () => {
    tenant = await api.tenant({ [await api.user()]: 'owner' });
  });
  afterAll(() => api.close());

  const run = (words: readonly string[], more: Partial<CliOptions> = {}) =>
    lethe(words, { apiUrl, token: operator, ...more });
  const runJson = async (...words: string[]) => JSON.parse((await run(['--json', ...words])).out) as unknown;

  async function opened(): Promise<string> {
    const answer = await run(['--json', 'delete', tenant, '--no-watch']);
    expect(answer).toMatchObject({ exit: EXIT.ok, err: '' });
    jobId = jobView.parse(JSON.parse(answer.out)).job_id;
    return jobId;
  }
  /** What the saga would write. */
  async function play(...steps: ('stage' | 'purge' | 'completed' | 'compensated' | 'needs_attention')[]) {
    const epoch = await api.records.beginRun(jobId, `run-${jobId}`);
    for (const [index, step] of steps.entries()) {
      const order = { epoch, number: index + 1 };
      if (step === 'stage') {
        await api.records.updateJob(jobId, order, { status: 'in_progress', phase: 'stage', rowsTotal: 7 });
        const service = { name: 'orders', role: 'participant' as const, rowsTotal: 3 };
        await api.records.updateService(jobId, { ...service, state: 'staged', rowsDone: 3 });
      } else if (step === 'purge') {
        await api.records.decideProceed(jobId);
        const counts = [{ table: 'orders.things', rows: 3 }];
        await api.records.updateService(jobId, { name: 'orders', state: 'purged', counts });
      } else if (step === 'needs_attention') {
        await api.records.updateJob(jobId, order, { status: 'needs_attention', outcome: 'sales is down' });
      } else if (step === 'compensated') {
        await api.records.decideAbort(jobId, 'failure', { kind: 'system', id: 'lethe', role: 'saga' });
        await api.records.endJob(jobId, order, 'compensated', 'sales could not stage');
      } else await complete(api.records, jobId, order, 'nothing is left');
    }
  }

  it('shows a preview, by service and by table, and its hash', async () => {
    const shown = await run(['preview', tenant, '--tables']);
    expect(shown).toMatchObject({ exit: EXIT.ok, err: '' });
    expect(shown.out).toMatch(/orders +1 +3 +can be brought back/);
    expect(shown.out).toContain('orders.things');
    expect(shown.out).toMatch(/total +9 rows\npreview hash {2}[0-9a-f]{64}/);
    expect(tenantPreview.parse(await runJson('preview', tenant)).total_rows).toBe(9);
  });

  it('says when a deletion would be refused, and by whom', async () => {
    api.sales.fault = new Problem('database_unavailable', 'The database does not answer.');
    const shown = await run(['preview', tenant]);
    api.sales.fault = null;
    expect(shown.exit).toBe(EXIT.notDeleted);
    expect(shown.out).toMatch(/sales +- +0 +The database does not answer\./);
    expect(shown.out).toContain('A deletion would be refused as things stand.');
  });

  it('starts a deletion with its options, and says how to follow it', async () => {
    const answer = await run([
      'delete',
      tenant,
      '--reason',
      'closing down',
      '--start-at',
      '2190-01-01T00:00:00Z',
      '--due-at',
      '2190-02-01T00:00:00Z',
      '--restore-window',
      '72h',
      '--no-watch',
    ]);
    const job = await api.records.openJobOf(tenant);
    expect(job).toMatchObject({ reason: 'closing down', restore_window_ms: 72 * 3_600_000 });
    expect(answer).toMatchObject({ exit: EXIT.ok, err: '' });
    expect(answer.out).toContain(`lethe jobs watch ${job?.job_id}`);
    const other = await run(['delete', tenant, '--no-watch']);
    expect(other).toMatchObject({ exit: EXIT.failed, out: '' });
    expect(other.err).toContain(`job_open: `);
    expect(other.err).toContain(`lethe jobs watch ${job?.job_id}`);
  });

  it('tells of a field at fault by its path', async () => {
    const answer = await run(['delete', tenant, '--start-at', 'tomorrow']);
    expect(answer.exit).toBe(EXIT.failed);
    expect(answer.err).toContain('body.start_at: ');
    expect(JSON.parse((await run(['--json', 'delete', tenant, '--start-at', 'tomorrow'])).err)).toMatchObject(
      {
        code: 'validation_failed',
      },
    );
  });

  it('watches in a pipe line by line until the end, whose state is the exit status', async () => {
    await opened();
    const watching = run(['jobs', 'watch', jobId]);
    await play('stage');
    await until(async () => api.log.filter((line) => line.includes(jobId)).length > 3, {
      what: 'the watch to look',
    });
    await play('stage', 'purge', 'completed');
    const { exit, out } = await watching;
    expect(exit).toBe(EXIT.ok);
    expect(out).toMatch(/^ +\ds {2}(pending, open|in_progress, stage): /);
    expect(out).toContain('3 of 7 rows');
    expect(out).toContain('completed');
    expect(out).toContain('3 rows are deleted, and nothing is left.');
    expect(stripVTControlCharacters(out)).toBe(out);
  });

  it('draws on a terminal, and leaves the last word standing', async () => {
    await opened();
    const watching = run(['jobs', 'watch', jobId], { terminal: { columns: 100, rows: 30 } });
    await play('stage');
    await until(async () => api.log.filter((line) => line.includes(jobId)).length > 3, {
      what: 'the watch to look',
    });
    await play('stage', 'compensated');
    const { exit, out } = await watching;
    expect(exit).toBe(EXIT.notDeleted);
    const text = stripVTControlCharacters(out);
    expect(text).toMatch(/orders +█{16} +3 {2}staged/);
    expect(text).toContain('sales could not stage');
    expect(text.trimEnd().endsWith(`Once the cause is mended: lethe jobs replay ${jobId}`)).toBe(true);
  });

  it('stops watching where a person is needed, and as JSON prints one document', async () => {
    await opened();
    await play('stage', 'purge', 'needs_attention');
    const answer = await run(['--json', 'jobs', 'watch', jobId]);
    expect(answer.exit).toBe(EXIT.needsAttention);
    expect(jobView.parse(JSON.parse(answer.out))).toMatchObject({
      status: 'needs_attention',
      outcome: 'sales is down',
    });
    expect((await run(['jobs', 'replay', jobId])).out).toContain(`Job ${jobId} tries again now`);
  });

  it('lists, shows, cancels and replays', async () => {
    await opened();
    const listed = await run(['jobs', 'list', '--tenant', tenant, '--limit', '1']);
    expect(listed.out).toContain(jobId);
    expect(jobPage.parse(await runJson('jobs', 'list', '--tenant', tenant)).jobs).toHaveLength(1);
    expect((await run(['jobs', 'list', '--tenant', tenant, '--status', 'completed'])).out).toBe(
      'No deletion job fits.\n',
    );
    expect(await run(['jobs', 'show', jobId])).toMatchObject({
      exit: EXIT.ok,
      out: expect.stringContaining(tenant),
    });

    expect(await run(['jobs', 'cancel', jobId])).toMatchObject({ exit: EXIT.ok });
    expect((await api.records.getJob(jobId)).decision).toBe('abort');
    await play();
    await api.records.endJob(
      jobId,
      { epoch: await api.records.beginRun(jobId, 'again'), number: 1 },
      'cancelled',
      'as asked',
    );
    const refused = await run(['jobs', 'replay', jobId]);
    expect(refused).toMatchObject({ exit: EXIT.failed, err: expect.stringContaining('not_replayable') });

    await opened();
    const failed = jobId;
    await play('stage', 'compensated');
    const dry = await run(['jobs', 'replay', '--tenant', tenant, '--dry-run']);
    expect(dry.out).toContain('Nothing was started');
    expect(await api.records.openJobOf(tenant)).toBeNull();
    const replayed = replayedJobs.parse(await runJson('jobs', 'replay', '--tenant', tenant));
    expect(replayed.jobs).toMatchObject([{ tenant_id: tenant, replay_of: failed }]);
  });

  it('finds what is wrong with a deployment', async () => {
    const good = await run(['doctor']);
    expect(good).toMatchObject({ exit: EXIT.ok, err: '' });
    expect(good.out).toMatch(/✓ records\n✓ temporal\n\n✓ orders .*1 tables, fence: trigger/);
    expect(good.out).toContain('Ready: a deletion would find everything it needs.');

    api.sales.fault = new Error('away');
    api.runs.mood = 'away';
    const bad = await run(['doctor', '--quick']);
    const asJson = JSON.parse((await run(['--json', 'doctor'])).out);
    api.sales.fault = null;
    api.runs.mood = 'here';
    expect(bad.exit).toBe(EXIT.failed);
    expect(bad.out).toMatch(/✗ temporal +cannot be reached/);
    expect(bad.out).toMatch(/✗ sales /);
    expect(asJson).toMatchObject({ healthy: false });
  });

  it('says how to get a token where there is none, or one that may not', async () => {
    const none = await run(['doctor'], { token: undefined });
    expect(none.exit).toBe(EXIT.failed);
    expect(none.err).toContain('LETHE_TOKEN=$(npm run --silent token -- --role operator)');
    const nobody = await api.users.token({ userId: randomUUID() });
    const other = await run(['preview', tenant], { token: nobody });
    expect(other).toMatchObject({
      exit: EXIT.failed,
      err: expect.stringMatching(/^forbidden: [\s\S]*rights\.md/),
    });
  });

  it('is a program that takes its surroundings from the environment', async () => {
    const child = spawn(process.execPath, [programFile('cli/lethe'), 'jobs', 'list'], {
      env: childEnvironment({ API_URL: apiUrl, LETHE_TOKEN: `${operator}\n` }),
    });
    let out = '';
    child.stdout.on('data', (part) => {
      out += part;
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(EXIT.ok);
    expect(out).toMatch(/^job +tenant +status/);
  });
});
