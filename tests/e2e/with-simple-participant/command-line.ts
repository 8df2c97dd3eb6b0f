/** `lethe` against a running platform: what it prints, and the exit status that a script goes by. */

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EXIT } from '../../../cli/exit-codes.js';
import { childEnvironment } from '../../../config.js';
import { totalRows } from '../../../local/checksums.js';
import { leavingRows } from '../../../local/leaving.js';
import { freePort } from '../../../local/ports.js';
import { jobView, tenantPreview } from '../../../protocol/jobs.js';
import type { SeededTenant } from '../../../services/sample-data/load.js';
import { type Callers, createCallers } from '../../support/callers.js';
import { type CliRun, lethe } from '../../support/cli.js';
import { Holds } from '../../support/holds.js';
import type { TestPlatform } from '../../support/platform.js';
import { programFile } from '../../support/programs.js';

const DENIED = 'recipes.recipe_steps';

/** Wants little patience: a deletion that a lock keeps up has to need attention within seconds. */
export function commandLine(platformOf: () => TestPlatform): void {
  let platform: TestPlatform;
  let callers: Callers;
  let holds: Holds;
  let tenants: SeededTenant[];

  beforeAll(async () => {
    platform = platformOf();
    callers = await createCallers(platform);
    holds = new Holds(platform.databaseUrl);
    tenants = await callers.seed(3, 600);
  });
  afterAll(async () => {
    await holds?.close();
    await callers?.close();
  });

  function tenant(place: number): SeededTenant {
    const found = tenants[place];
    if (found === undefined) throw new Error(`There is no tenant ${place}.`);
    return found;
  }
  const run = (...words: string[]) =>
    lethe(words, { apiUrl: platform.apiUrl, token: callers.operator.token });

  /** As a process of its own, with the surroundings that its user gives it. */
  async function program(words: readonly string[], token: string): Promise<CliRun> {
    const child = spawn(process.execPath, [programFile('cli/lethe'), ...words], {
      env: childEnvironment({ API_URL: platform.apiUrl, LETHE_TOKEN: token }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { exit: await ended, out, err };
  }

  it('finds a deployment in good order, and names every service', async () => {
    const { exit, out, err } = await run('doctor');
    expect({ exit, err }).toEqual({ exit: EXIT.ok, err: '' });
    for (const { name } of platform.services) expect(out).toMatch(new RegExp(`^✓ ${name} `, 'm'));
    expect(out).toContain('Ready: a deletion would find everything it needs.');
    expect(JSON.parse((await run('--json', 'doctor', '--quick')).out)).toMatchObject({ healthy: true });
  });

  it('shows what would go: as many rows as there are, and changes nothing', async () => {
    const before = await callers.checksums();
    const shown = await run('preview', tenant(0).tenantId);
    expect(shown).toMatchObject({ exit: EXIT.ok, err: '' });
    expect(shown.out).toContain(`${leavingRows(tenant(0))} rows`);
    const asJson = await run('--json', 'preview', tenant(0).tenantId);
    expect(tenantPreview.parse(JSON.parse(asJson.out))).toMatchObject({ total_rows: leavingRows(tenant(0)) });
    expect(await callers.checksums()).toEqual(before);
  });

  it('deletes a tenant for its owner and stays until it is done, with status 0', async () => {
    const { token } = await callers.owner(tenant(0));
    const { tenantId } = tenant(0);
    const { exit, out, err } = await program(['delete', tenantId, '--watch', '--reason', 'closed'], token);
    expect({ exit, err }).toEqual({ exit: EXIT.ok, err: '' });
    expect(out).toMatch(/^Deletion job [0-9a-f-]{36} of tenant .* is accepted\.$/m);
    expect(out).toMatch(/^ +\d+s {2}/m);
    const [, deleted, retained] =
      /^(\d+) rows are deleted, (\d+) are retained, and nothing else is left\.$/m.exec(out) ?? [];
    expect(Number(deleted) + Number(retained)).toBe(leavingRows(tenant(0)));
    expect(out).toMatch(/\d+ rows retained, the last until 20\d\d-01-01: Tax law/);
    expect(totalRows(await callers.checksums({ only: tenantId }))).toBe(0);

    const again = await run('delete', tenantId);
    expect(again).toMatchObject({ exit: EXIT.failed, out: '' });
    expect(again.err).toContain('already_erased');
    const job = jobView.parse(JSON.parse((await run('--json', 'jobs', 'show', idIn(out))).out));
    expect(job).toMatchObject({
      status: 'completed',
      reason: 'closed',
      rows_deleted: leavingRows(tenant(0)),
    });
  });

  it('says in preview, doctor and delete what is missing, and ends with a status of its own', async () => {
    await callers.sql(`REVOKE DELETE ON ${DENIED} FROM lethe_recipes`);
    const [preview, doctor, quick, deletion] = await Promise.all([
      run('preview', tenant(1).tenantId),
      run('doctor'),
      run('--json', 'doctor'),
      run('delete', tenant(1).tenantId),
    ]);
    await callers.sql(`GRANT DELETE ON ${DENIED} TO lethe_recipes`);
    expect([preview.exit, doctor.exit, quick.exit, deletion.exit]).toEqual([
      EXIT.notDeleted,
      EXIT.failed,
      EXIT.failed,
      EXIT.notDeleted,
    ]);
    for (const { out } of [preview, doctor, deletion]) {
      for (const word of ['recipes', 'DELETE', DENIED]) expect(out).toContain(word);
    }
    expect(preview.out).toContain('A deletion would be refused as things stand.');
    expect(JSON.parse(quick.out)).toMatchObject({
      healthy: false,
      findings: expect.arrayContaining([
        expect.objectContaining({ service: 'recipes', table: DENIED, privilege: 'DELETE' }),
      ]),
    });
    const id = idIn(deletion.out);
    expect(deletion.out).toContain(`Once the cause is mended: lethe jobs replay ${id}`);
    expect(await run('--json', 'jobs', 'watch', id)).toMatchObject({ exit: EXIT.notDeleted, err: '' });
  });

  it('replays by a filter, and watches the new job to its end', async () => {
    const filter = ['--status', 'refused', '--service', 'recipes'];
    expect((await run('jobs', 'replay', ...filter, '--dry-run')).out).toContain('Nothing was started');
    const { out } = await run('--json', 'jobs', 'replay', ...filter);
    const [replayed] = (JSON.parse(out) as { jobs: { job_id: string; tenant_id: string }[] }).jobs;
    expect(replayed?.tenant_id).toBe(tenant(1).tenantId);
    const watched = await program(
      ['--json', 'jobs', 'watch', replayed?.job_id ?? ''],
      callers.operator.token,
    );
    expect(watched).toMatchObject({ exit: EXIT.ok, err: '' });
    expect(jobView.parse(JSON.parse(watched.out))).toMatchObject({
      status: 'completed',
      rows_deleted: leavingRows(tenant(1)),
    });
    const listed = await run('jobs', 'list', '--tenant', tenant(1).tenantId);
    expect(listed.out).toMatch(/completed[\s\S]*refused/);
  });

  it('stops watching where a person is needed, with status 4, and goes on by a replay of the same job', async () => {
    const accepted = await run(
      '--json',
      'delete',
      tenant(2).tenantId,
      '--restore-window',
      '2s',
      '--no-watch',
    );
    const { job_id: id } = jobView.parse(JSON.parse(accepted.out));
    await callers.until(id, ({ phase }) => phase === 'window');
    const hold = await holds.archive('notification', id);
    const stuck = await run('jobs', 'watch', id);
    expect(stuck).toMatchObject({ exit: EXIT.needsAttention, err: '' });
    expect(stuck.out).toMatch(/needs_attention[\s\S]*notification[\s\S]*55P03/);
    const late = await run('jobs', 'cancel', id);
    expect(late).toMatchObject({ exit: EXIT.failed, err: expect.stringContaining('past_pivot') });
    await hold.release();
    expect((await run('jobs', 'replay', id)).out).toContain(`Job ${id} tries again now`);
    expect(await callers.untilEnded(id)).toMatchObject({ status: 'completed', replay_of: null });
    expect((await run('jobs', 'watch', id)).exit).toBe(EXIT.ok);
  });

  it('tells wrong options, an API that is not there, and a missing token apart', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const token = callers.operator.token;
    expect((await run('delete')).exit).toBe(EXIT.usage);
    expect((await run('jobs', 'replay')).exit).toBe(EXIT.usage);
    expect((await lethe(['doctor'], { apiUrl: nowhere, token })).exit).toBe(EXIT.unreachable);
    expect((await lethe(['doctor'], { apiUrl: platform.apiUrl })).exit).toBe(EXIT.failed);
  });
}

function idIn(out: string): string {
  return /Deletion job ([0-9a-f-]{36})/.exec(out)?.[1] ?? '';
}
