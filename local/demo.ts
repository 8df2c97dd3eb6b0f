/** `npm run demo`: three stories, with real PostgreSQL, real Temporal and real services. Status 0 only if each came true. */
import { relative } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { readLocalConfig } from '../config.js';
import { FEWEST_ROWS, type SeededTenant, seedTenants } from '../services/sample-data/load.js';
import { createDemoApi } from './demo/jobs.js';
import { createScreen, rowsText, type Screen, secondsSince } from './demo/screen.js';
import { deleted, failedAndReplayed, showPreview, type Told } from './demo/stories.js';
import { prepareSurroundings, type Surroundings } from './demo/surroundings.js';
import { type Platform, type PlatformOptions, startPlatform } from './platform.js';
import { onStopAsked } from './stop-signals.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_STOPPED = 130;

/** So short that nobody waits long to see a deletion given up. */
const IMPATIENT = { GIVE_UP_AFTER: '6s', LOCK_TIMEOUT: '1s' };

interface Options {
  readonly keep?: true;
  readonly rows: number;
}

async function demo(options: Options): Promise<void> {
  const screen = createScreen(process.stdout, readLocalConfig().CI !== undefined);
  screen.out.line(
    screen.out.strong('Lethe: a tenant leaves twelve services. Three stories, nothing of it simulated.'),
  );
  const surroundings = await prepareSurroundings();
  const ending = new Ending(surroundings);
  try {
    const platform = await bringUp(screen, surroundings, ending);
    const failed = await play(screen, platform, options);
    if (failed.length > 0) throw new Error(`Not everything came out as told: ${failed.join('; ')}.`);
    if (options.keep) {
      ending.status = 0;
      await keep(screen, platform);
    }
    await screen.step('Stopping', async () => {
      await ending.stop();
      return { value: undefined, title: 'Everything is stopped' };
    });
  } catch (error) {
    const interrupted = ending.begun;
    await ending.stop();
    // Whatever failed then failed because everything was stopped.
    if (interrupted) process.exit(ending.status);
    const logs = `Logs of every process: ${relative(process.cwd(), surroundings.directory)}/logs/`;
    throw new Error(`${messageOf(error)}\n${logs}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Ends everything once, also when somebody presses Ctrl-C on the way. */
class Ending {
  /** With which the process ends where it is stopped on the way. */
  status = EXIT_STOPPED;
  readonly #asked = new AbortController();
  #platform: Promise<Platform> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(readonly surroundings: Surroundings) {
    onStopAsked(() => {
      if (this.begun) return;
      complain('\nStopping everything');
      this.stop().finally(() => process.exit(this.status));
    });
  }

  /** Starts a platform which it will stop, whether it is ready by then or not. */
  start(options: PlatformOptions): Promise<Platform> {
    this.#platform = startPlatform({ ...options, signal: this.#asked.signal });
    return this.#platform;
  }

  get begun(): boolean {
    return this.#stopping !== undefined;
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      this.#asked.abort();
      const platform = await this.#platform?.catch(() => undefined);
      await platform?.stop();
      await this.surroundings.cleanUp();
    })();
    return this.#stopping;
  }
}

function bringUp(screen: Screen, { directory, options }: Surroundings, ending: Ending): Promise<Platform> {
  const begun = Date.now();
  screen.heading('A whole platform on this machine');
  return screen.step('Starting PostgreSQL, Temporal, the services, the worker and the API', async (show) => {
    const platform = await ending.start({
      directory,
      ...options,
      environment: IMPATIENT,
      onProgress: show,
    });
    const { length } = platform.services;
    return {
      value: platform,
      title: `PostgreSQL, Temporal, ${length} services, the worker and the API are ready after ${secondsSince(begun)}`,
    };
  });
}

/** Gives what did not come out as told. */
async function play(screen: Screen, platform: Platform, options: Options): Promise<string[]> {
  const api = await createDemoApi(platform);
  try {
    const stage = { platform, api, screen };
    const [first, second] = await openBakeries(screen, platform, options.rows);
    if (!first || !second) throw new Error('There are too few bakeries.');

    screen.heading(`What would go, if ${first.name} were deleted`);
    screen.tell('A preview changes nothing.\n');
    const foreseen = await showPreview(stage, first);
    const told = [await deleted(stage, first), ...(await failedAndReplayed(stage, second))];
    summary(screen, told, options, platform);
    return [
      ...(foreseen ? [] : ['the preview']),
      ...told.filter(({ holds }) => !holds).map(({ story }) => story),
    ];
  } finally {
    await api.close();
  }
}

async function openBakeries(screen: Screen, platform: Platform, rows: number): Promise<SeededTenant[]> {
  screen.heading('Three bakeries');
  const begun = Date.now();
  const tenants = await screen.step('Filling the tables of all services', async (show) => {
    const seeded = await seedTenants({
      databaseUrl: platform.databaseUrl,
      tenants: 3,
      rowsPerTenant: rows,
      onProgress: ({ service, rows: done, of }) => show(`${service}: ${rowsText(done)} of ${rowsText(of)}`),
    });
    const all = seeded.reduce((sum, one) => sum + one.rows, 0);
    return { value: seeded, title: `${rowsText(all)} over all services in ${secondsSince(begun)}` };
  });
  screen.out.table(
    ['  bakery', 'tenant', 'rows'],
    tenants.map(({ name, tenantId, rows: own }) => [`  ${name}`, tenantId, own]),
  );
  return tenants;
}

function summary(screen: Screen, told: readonly Told[], { keep: kept }: Options, platform: Platform): void {
  const { out } = screen;
  screen.heading('What happened');
  for (const { story, job, link, holds } of told) {
    const mark = holds ? out.colour('✓', 'green') : out.colour('✗', 'red');
    out.line(`  ${mark} ${story}: ${job.status}`);
    out.line(out.dim(`    job ${job.job_id}`));
    out.line(out.dim(`    ${link}`));
  }
  out.line();
  if (!kept) {
    screen.tell(
      platform.temporalUiUrl
        ? 'These links into Temporal’s UI live as long as the demo: to look at them, run it with `npm run demo -- --keep`.'
        : 'The demo’s database goes now; to look around first, run it with `npm run demo -- --keep`.',
    );
  }
  screen.tell('To go on by yourself: `npm start`, and docs/getting-started.md.');
}

async function keep(screen: Screen, platform: Platform): Promise<void> {
  screen.heading('The demo stays until Ctrl-C');
  screen.tell(`API            ${platform.apiUrl}/docs`);
  if (platform.temporalUiUrl) screen.tell(`Temporal's UI  ${platform.temporalUiUrl}`);
  screen.tell(`PostgreSQL     ${platform.databaseUrl}`);
  await new Promise(() => {
    // Ctrl-C ends it; a timer keeps the process alive until then.
    setInterval(() => undefined, 3_600_000);
  });
}

function rowsOption(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= FEWEST_ROWS && value <= 5_000_000) return value;
  throw new InvalidArgumentError(`It should be a whole number from ${FEWEST_ROWS} to 5000000.`);
}

const program = new Command('demo')
  .description('Three stories, told by real processes. Needs nothing; leaves its logs in .lethe/demo/logs.')
  .option('--keep', 'stay until Ctrl-C, so that one can look around')
  .option('--rows <number>', 'rows of each bakery', rowsOption, 20_000)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .action(demo);

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  complain(`\n${messageOf(error)}`);
  process.exit(EXIT_FAILED);
}
