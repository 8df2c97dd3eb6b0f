/** Starts processes, keeps them running, and stops them in the reverse of their order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from '../config.js';
import { type Echo, LogLines } from './log-lines.js';
import { projectRoot } from './paths.js';
import { commandLineOf, type RunningProcess, writeProcessTable } from './process-table.js';
import type { Progress } from './progress.js';

/** How a process is started, and how one knows that it works. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Working directory; the clone by default. */
  readonly directory?: string;
  /** Added to the environment of this process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly account?: { readonly uid: number; readonly gid: number };
  /** What asks it to stop; SIGTERM by default. */
  readonly stopSignal?: NodeJS.Signals;
  readonly ready: () => Promise<boolean>;
}

/** A process of ours in Node, gone when its supervisor is. `program` is a file of JavaScript: see `compilePrograms`. */
export function nodeProcess(
  spec: Omit<ProcessSpec, 'command' | 'args'> & {
    readonly program: string;
    readonly words?: readonly string[];
  },
): ProcessSpec {
  const { program, words = [], ...rest } = spec;
  const dieWithParent = join(projectRoot, 'local/die-with-parent.mjs');
  return {
    ...rest,
    command: process.execPath,
    args: ['--import', dieWithParent, '--enable-source-maps', program, ...words],
  };
}

/** A process under supervision. */
export interface ManagedProcess {
  readonly name: string;
  /** Null while it does not run. */
  readonly pid: number | null;
  /** Sends the signal; for one that ends processes, waits until it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops it if it runs, and starts it; done when it is ready. */
  restart(environment?: Readonly<Record<string, string | undefined>>): Promise<void>;
  /** Stops it for good, until `restart`. */
  stop(): Promise<void>;
}

export interface SupervisorOptions {
  /** Logs and the table of processes go here. */
  readonly directory: string;
  /** Whether a process that ends unasked is started again. */
  readonly keepRunning: boolean;
  readonly report: Progress;
  readonly echo?: Echo;
}

const READY_WITHIN_MS = 120_000;
/** Between two questions whether a process is ready: what it has begun takes seconds, and asking takes from them. */
const ASK_AGAIN_MS = 150;
const STOP_WITHIN_MS = 20_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** After so long, a process counts as having worked, and a crash as a new one. */
const STEADY_AFTER_MS = 30_000;

/** The processes of one platform. */
export class Supervisor {
  readonly #processes: Supervised[] = [];
  #stopping = false;

  constructor(readonly options: SupervisorOptions) {}

  /** Starts a process; done when it is ready. One that ends before that fails here, with its last words. */
  async start(spec: ProcessSpec): Promise<ManagedProcess> {
    if (this.#stopping) throw new Error(`${spec.name} is not started: everything is being stopped.`);
    const one = new Supervised(spec, this.options, () => this.#writeTable());
    this.#processes.push(one);
    await one.restart();
    return one;
  }

  get processes(): readonly ManagedProcess[] {
    return this.#processes;
  }

  /** Stops everything, what was started last first; what was still to be started is not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const one of [...this.#processes].reverse()) await one.stop();
  }

  #writeTable(): void {
    writeProcessTable(
      join(this.options.directory, 'processes.json'),
      this.#processes.flatMap((one) => one.entry ?? []),
    );
  }
}

class Supervised implements ManagedProcess {
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #wanted = false;
  #steady = false;
  #pauseMs = FIRST_PAUSE_MS;
  #environment: Readonly<Record<string, string | undefined>> = {};
  readonly #log: LogLines;
  entry: RunningProcess | null = null;

  constructor(
    readonly spec: ProcessSpec,
    readonly options: SupervisorOptions,
    readonly changed: () => void,
  ) {
    this.#log = new LogLines(
      spec.name,
      join(options.directory, 'logs', `${spec.name}.log`),
      options.echo ?? (() => undefined),
    );
  }

  get name(): string {
    return this.spec.name;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  async restart(environment?: Readonly<Record<string, string | undefined>>): Promise<void> {
    await this.stop();
    this.#environment = environment ?? this.#environment;
    this.#wanted = true;
    this.#steady = false;
    this.#pauseMs = FIRST_PAUSE_MS;
    try {
      this.#spawn();
      await this.#untilReady();
      this.#steady = true;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const ended = this.#ended;
    this.#child?.kill(signal);
    if (!['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'].includes(signal)) await ended;
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (child === null) return;
    child.kill(this.spec.stopSignal ?? 'SIGTERM');
    // One that was stopped by SIGSTOP hears nothing else.
    child.kill('SIGCONT');
    const timer = setTimeout(() => {
      this.options.report(`${this.name} did not stop within ${STOP_WITHIN_MS / 1_000} s and is ended`);
      child.kill('SIGKILL');
    }, STOP_WITHIN_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #spawn(): void {
    const { command, args, directory, environment, account, stopSignal } = this.spec;
    const child = spawn(command, args, {
      cwd: directory ?? projectRoot,
      env: childEnvironment({ ...environment, ...this.#environment }),
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a group of its own: Ctrl-C in the terminal reaches the supervisor alone, which keeps the order.
      detached: true,
      ...account,
    });
    const startedAt = Date.now();
    this.#child = child;
    this.#log.read(child.stdout);
    this.#log.read(child.stderr);
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        if (this.#child !== child) return;
        this.#child = null;
        this.entry = null;
        this.changed();
        resolve();
        this.#afterEnd(how, Date.now() - startedAt);
      };
      child.once('error', (error) => end(`could not be started (${error.message})`));
      child.once('exit', (code, signal) =>
        end(signal ? `was ended by ${signal}` : `ended with code ${code}`),
      );
    });
    if (child.pid !== undefined) {
      this.entry = {
        name: this.name,
        pid: child.pid,
        commandLine: commandLineOf(child.pid) ?? '',
        stopSignal: stopSignal ?? 'SIGTERM',
      };
      this.changed();
    }
  }

  #afterEnd(how: string, ranMs: number): void {
    if (!this.#wanted || !this.#steady) return;
    if (!this.options.keepRunning) return;
    if (ranMs > STEADY_AFTER_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    this.options.report(`${this.name} ${how}; it is started again in ${pauseMs / 1_000} s`);
    setTimeout(() => {
      if (this.#wanted && this.#child === null) this.#spawn();
    }, pauseMs);
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS;
    for (;;) {
      // Whether it runs is asked on both sides: a stranger on its port may be the one who answers.
      const answered = this.#child !== null && (await this.spec.ready());
      if (this.#child === null) throw new Error(await this.#said('ended before it was ready'));
      if (answered) return;
      if (Date.now() > deadline) {
        throw new Error(await this.#said(`was not ready within ${READY_WITHIN_MS / 1_000} s`));
      }
      await sleep(ASK_AGAIN_MS);
    }
  }

  async #said(what: string): Promise<string> {
    // Its last lines are still on their way through the pipe.
    await sleep(100);
    return `${this.name} ${what}. Its last lines:\n${this.#log.last || '(none)'}`;
  }
}
