import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { isAlive, tryLock, withLock } from '../../../local/lock.js';
import { projectRoot } from '../../../local/paths.js';
import { freePort } from '../../../local/ports.js';
import { endLeftovers, readProcessTable, writeProcessTable } from '../../../local/process-table.js';
import { type ProcessSpec, Supervisor } from '../../../local/processes.js';
import { until } from '../../support/conditions.js';

const directory = mkdtempSync(join(tmpdir(), 'lethe-processes-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const supervisors: Supervisor[] = [];
afterEach(async () => {
  for (const one of supervisors.splice(0)) await one.stop();
});

function supervisor(keepRunning: boolean, said: string[] = []): Supervisor {
  const one = new Supervisor({ directory, keepRunning, report: (message) => said.push(message) });
  supervisors.push(one);
  return one;
}

/** A server that answers with what it was told by its environment. */
async function server(name: string, script = ''): Promise<{ spec: ProcessSpec; url: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const program = `${script};require('node:http').createServer((q, a) => a.end(process.env.WORD ?? 'none')).listen(${port}, '127.0.0.1')`;
  const spec = {
    name,
    command: process.execPath,
    args: ['-e', program],
    ready: async () => (await answer(url)) !== null,
  };
  return { spec, url };
}

async function answer(url: string): Promise<string | null> {
  try {
    return await (await fetch(url)).text();
  } catch {
    return null;
  }
}

describe('a supervised process', () => {
  it('is started again after kill -9, and says so', async () => {
    const said: string[] = [];
    const { spec, url } = await server('killed');
    const one = await supervisor(true, said).start(spec);
    const before = one.pid;
    await one.kill('SIGKILL');
    await until(async () => (await answer(url)) !== null, { what: 'the server to be back' });
    expect(one.pid).not.toBe(before);
    expect(said).toEqual([expect.stringContaining('killed was ended by SIGKILL; it is started again')]);
  });

  it('stays down after kill -9 where nobody asked to keep it, until it is restarted', async () => {
    const { spec, url } = await server('down');
    const one = await supervisor(false).start(spec);
    await one.kill('SIGKILL');
    expect([one.pid, await answer(url)]).toEqual([null, null]);
    await one.restart({ WORD: 'again' });
    expect(await answer(url)).toBe('again');
  });

  it('is ended while it still starts, where everything is stopped, and nothing is started after it', async () => {
    const { spec } = await server('never-ready');
    const all = supervisor(true);
    const starting = all.start({ ...spec, ready: async () => false });
    const outcome = expect(starting).rejects.toThrow(/never-ready ended before it was ready/);
    await until(async () => all.processes[0]?.pid, { what: 'the process to run' });
    await all.stop();
    await outcome;
    expect(all.processes[0]?.pid).toBeNull();
    await expect(all.start(spec)).rejects.toThrow(/not started: everything is being stopped/);
  });

  it('fails with its last words where it ends before it is ready', async () => {
    const { spec } = await server('failing', "console.error('the disk is full'); process.exit(3)");
    await expect(supervisor(true).start(spec)).rejects.toThrow(
      /failing ended before it was ready.*\n.*the disk is full/s,
    );
  });

  it('is stopped although it was suspended', async () => {
    const { spec } = await server('suspended');
    const one = await supervisor(false).start(spec);
    await one.kill('SIGSTOP');
    await one.stop();
    expect(one.pid).toBeNull();
  });

  it('is ended by the next start where its supervisor was killed, and no stranger with its number', async () => {
    const file = join(directory, 'leftovers.json');
    const orphan = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 999)'], { stdio: 'ignore' });
    const { pid = 0 } = orphan;
    const commandLine = `${process.execPath} -e setInterval(() => {}, 1000)`;
    const gone = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
    writeProcessTable(file, [
      { name: 'orphan', pid, commandLine, stopSignal: 'SIGTERM' },
      { name: 'stranger', pid: stranger.pid ?? 0, commandLine, stopSignal: 'SIGTERM' },
    ]);
    // While the one who started them lives, they are his.
    expect(await endLeftovers(file)).toEqual([]);
    const table = readProcessTable(file);
    writeFileSync(file, JSON.stringify({ ...table, supervisor: { pid: gone, commandLine: 'gone' } }));
    expect(await endLeftovers(file)).toEqual(['orphan']);
    await until(async () => !isAlive(pid) || orphan.signalCode !== null);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill();
  });
});

describe('a lock between processes', () => {
  it('lets one in at a time', async () => {
    let inside = 0;
    const path = join(directory, 'one.lock');
    const most = await Promise.all(
      [1, 2, 3].map(() =>
        withLock(path, async () => {
          inside += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
          const seen = inside;
          inside -= 1;
          return seen;
        }),
      ),
    );
    expect(most).toEqual([1, 1, 1]);
  });

  it('is taken over from a process that died', () => {
    const path = join(directory, 'dead.lock');
    const release = tryLock(path);
    expect(tryLock(path)).toBeNull();
    const gone = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
    writeFileSync(join(path, 'pid'), gone);
    expect(tryLock(path)).not.toBeNull();
    release?.();
  });
});

describe('the set-up script', () => {
  it('does nothing where nothing is to be done', () => {
    const setup = join(projectRoot, 'local/setup.mjs');
    const stamp = join(projectRoot, 'node_modules/.lethe-setup');
    const run = () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [setup], { encoding: 'utf8' });
      return { status, said: stdout + stderr };
    };
    run();
    const before = readFileSync(stamp, 'utf8');
    const started = performance.now();
    expect(run()).toEqual({ status: 0, said: '' });
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(readFileSync(stamp, 'utf8')).toBe(before);
  });
});
