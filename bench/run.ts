/** `npm run bench`: what a deletion costs, against what an engineer would type, each row of design section 10 in one run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { projectRoot } from '../local/paths.js';
import { onStopAsked } from '../local/stop-signals.js';
import { type Cluster, startCluster } from './cluster.js';
import { type Figure, Times, tableOf } from './figures.js';
import { measureGrowth } from './growth.js';
import { OtherTenants, WHILE_RAW, WHILE_STAGED } from './others.js';
import { plotOf } from './plot.js';
import { loadAverage } from './processes.js';
import { figuresOf } from './rows.js';
import { runSagas } from './saga.js';
import { newJob, Sites } from './sites.js';
import * as steps from './steps.js';
import { loadTenants, type Tenants } from './tenants.js';
import { measureUnindexed } from './unindexed.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

interface Options {
  readonly rows?: number;
  readonly repetitions?: number;
  readonly sagas?: number;
  readonly growth?: readonly number[];
  readonly memory?: readonly number[];
  readonly minutes: number;
  readonly plot?: string;
  readonly small?: true;
  readonly json?: true;
}

const ACCEPTED = 20;
const QUIET_MS = 8_000;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function bench(options: Options): Promise<void> {
  const rows = options.rows ?? (options.small ? 20_000 : 500_000);
  const sagas = options.sagas ?? (options.small ? 1 : 2);
  const sizes = {
    growth: options.growth ?? (options.small ? [] : [50_000, rows]),
    memory: sagas === 0 ? [] : (options.memory ?? (options.small ? [] : [10_000, rows])),
  };
  const repetitions = options.repetitions ?? (options.small ? 2 : 3);
  const ends = Date.now() + options.minutes * 60_000;
  const inTime = (what: string) => {
    if (Date.now() < ends) return true;
    say(`The time is over (--minutes ${options.minutes}): ${what} is left out.`);
    return false;
  };

  const loads = [loadAverage()];
  const cluster = await startCluster(say);
  onStopAsked(() => void cluster.stop().finally(() => process.exit(EXIT_FAILED)));
  const times = new Times(say);
  try {
    const wanted = { ...sizes, rows, sagas, emptySagas: options.small ? 3 : 5, accepted: ACCEPTED };
    const tenants = await loadTenants(cluster.url, wanted, say);
    await measureSteps(cluster, tenants, repetitions, times, inTime);
    loads.push(loadAverage());
    if (sagas > 0 && inTime('the saga')) {
      await runSagas(cluster, tenants, times, say).catch((error: unknown) => {
        // What was measured before is worth showing.
        say(`The saga could not be measured: ${error instanceof Error ? error.message : String(error)}`);
        process.exitCode = EXIT_FAILED;
      });
    }
    loads.push(loadAverage());
    const facts = { rows: tenants.measured.rows, postgres: cluster.version, loadAverages: loads };
    tell(options, facts, figuresOf(times, seededSizes(tenants)));
  } finally {
    await cluster.stop();
  }
}

/** As many as there came to be. */
function seededSizes({ growth, memory }: Tenants) {
  return { growth: growth.map(({ rows }) => rows), memory: memory.map(({ rows }) => rows) };
}

async function measureSteps(
  cluster: Cluster,
  tenants: Tenants,
  repetitions: number,
  times: Times,
  inTime: (what: string) => boolean,
): Promise<void> {
  const { measured } = tenants;
  const sites = await Sites.open(cluster.url);
  try {
    await sites.copy(measured.tenantId);
    await sites.vacuum();
    for (let done = 1; done <= repetitions && inTime(`repetition ${done}`); done++) {
      say(`Repetition ${done} of ${repetitions}`);
      await steps.repeat(sites, measured, times);
    }
    if (inTime('what others notice')) await measureOthers(cluster, sites, tenants, times);
    if (inTime('the unindexed column')) {
      const child = await measureUnindexed(sites, sites.admin(), measured.tenantId, times);
      say(child === null ? 'No key is small enough to be measured unindexed.' : `Unindexed: ${child}`);
    }
    if (inTime('growth')) await measureGrowth(sites, tenants.growth, times);
  } finally {
    await sites.close();
  }
}

/** The same tenant goes and comes back, by the engine and by hand, while another one's statements run. */
async function measureOthers(
  cluster: Cluster,
  sites: Sites,
  { measured: { tenantId }, other }: Tenants,
  times: Times,
): Promise<void> {
  const others = await OtherTenants.open(cluster.url, sites.names(), other.tenantId);
  try {
    await others.quiet(QUIET_MS, times);
    const staged: number[] = [];
    const job = newJob(tenantId);
    const hashes = await sites.planHashes();
    await others.during(() => sites.reach(job, 'staged', hashes), staged);
    others.tell(WHILE_STAGED, staged, times);
    await sites.reach(job, 'restored');
    await sites.vacuum();
    const raw: number[] = [];
    await others.during(() => sites.delete(tenantId), raw);
    others.tell(WHILE_RAW, raw, times);
    await sites.insert();
    await sites.vacuum();
  } finally {
    await others.close();
  }
}

function tell(
  options: Options,
  facts: { readonly rows: number; readonly postgres: string; readonly loadAverages: readonly string[] },
  figures: readonly Figure[],
): void {
  const result = {
    at: new Date().toISOString(),
    ...facts,
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    figures,
  };
  const directory = join(projectRoot, 'bench/results');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${result.at.replaceAll(/[:.]/g, '-')}.json`);
  const text = JSON.stringify(result, null, 2);
  writeFileSync(file, `${text}\n`);
  const plot = options.plot ?? file.replace(/json$/, 'svg');
  mkdirSync(dirname(plot), { recursive: true });
  writeFileSync(plot, plotOf(result));
  say(
    `\n${result.rows} rows of one tenant over 12 services, PostgreSQL ${result.postgres}, ${result.cpus} CPUs (${result.cpu}), load ${facts.loadAverages.join('; ')}`,
  );
  if (options.json) process.stdout.write(`${text}\n`);
  else process.stdout.write(`${tableOf(figures)}\n`);
  say(`Written to ${file} and ${plot}`);
}

function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It should be a whole number from ${least} to ${most}.`);
  };
}

function sizes(text: string): number[] {
  return text.split(',').map(number(100, 50_000_000));
}

const program = new Command('bench')
  .description('Measures deletions against plain SQL, on a PostgreSQL of its own.')
  .option(
    '--rows <number>',
    'rows of the tenant, over all services (default: 500000)',
    number(100, 50_000_000),
  )
  .option('--repetitions <number>', 'of every step (default: 3)', number(1, 100))
  .option(
    '--sagas <number>',
    'whole deletions by API and Temporal; 0 leaves all that needs them out (default: 2)',
    number(0, 20),
  )
  .option('--growth <numbers>', 'rows of tenants whose cost by row is compared (default: 50000,ROWS)', sizes)
  .option(
    '--memory <numbers>',
    'rows of tenants whose deletion shows what memory is used (default: 10000,ROWS)',
    sizes,
  )
  .option('--plot <file>', 'where the plot goes (default: beside the result)')
  .option('--minutes <number>', 'after so long, no further repetition is begun', number(1, 600), 15)
  .option('--small', '20000 rows, growth and memory left out: done within two minutes')
  .option('--json', 'the result as JSON on standard output')
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .action(bench);

try {
  await program.parseAsync();
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = EXIT_FAILED;
}
