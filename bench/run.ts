/** `npm run bench`: how long a deletion takes, against what an engineer would type, within one run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { projectRoot } from '../local/paths.js';
import { onStopAsked } from '../local/stop-signals.js';
import { seedTenants } from '../services/sample-data/load.js';
import { type Cluster, startCluster } from './cluster.js';
import { type Figure, figure, quantile, Times, tableOf } from './figures.js';
import { runSagas, SAGA, SAGA_EMPTY } from './saga.js';
import { Sites } from './sites.js';
import * as steps from './steps.js';
import { measureUnindexed, UNINDEXED_RAW, UNINDEXED_STAGE } from './unindexed.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

interface Options {
  readonly rows?: number;
  readonly repetitions?: number;
  readonly sagas?: number;
  readonly minutes: number;
  readonly small?: true;
  readonly json?: true;
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function bench(options: Options): Promise<void> {
  const rows = options.rows ?? (options.small ? 20_000 : 500_000);
  const repetitions = options.repetitions ?? 3;
  const sagas = options.sagas ?? 1;
  const ends = Date.now() + options.minutes * 60_000;
  const inTime = (what: string) => {
    if (Date.now() < ends) return true;
    say(`The time is over (--minutes ${options.minutes}): ${what} is left out.`);
    return false;
  };

  const cluster = await startCluster(say);
  onStopAsked(() => void cluster.stop().finally(() => process.exit(EXIT_FAILED)));
  const times = new Times(say);
  try {
    say(`Loading tenants of ${rows} rows`);
    const tenants = await seedTenants({
      databaseUrl: cluster.url,
      tenants: 2 + sagas,
      rowsPerTenant: rows,
      seed: 'bench',
    });
    const [tenant, , ...forSagas] = tenants;
    if (tenant === undefined) throw new Error('No tenant was loaded.');
    await measureSteps(cluster, tenant, repetitions, times, inTime);
    if (sagas > 0 && inTime('the saga')) {
      const small = await seedTenants({
        databaseUrl: cluster.url,
        tenants: sagas,
        rowsPerTenant: 1,
        seed: 'bench small',
      });
      const all = [
        ...small.map((one) => ({ tenant: one, what: SAGA_EMPTY })),
        ...forSagas.map((one) => ({ tenant: one, what: SAGA })),
      ];
      await runSagas(cluster, all, times, say).catch((error: unknown) => {
        // What was measured before is worth showing.
        say(`The saga could not be measured: ${error instanceof Error ? error.message : String(error)}`);
        process.exitCode = EXIT_FAILED;
      });
    }
    tell(options, { rows: tenant.rows, postgres: cluster.version }, figuresOf(times));
  } finally {
    await cluster.stop();
  }
}

async function measureSteps(
  cluster: Cluster,
  tenant: Parameters<typeof steps.repeat>[1],
  repetitions: number,
  times: Times,
  inTime: (what: string) => boolean,
): Promise<void> {
  const sites = await Sites.open(cluster.url);
  try {
    await sites.copy(tenant.tenantId);
    await sites.vacuum();
    for (let done = 1; done <= repetitions && inTime(`repetition ${done}`); done++) {
      say(`Repetition ${done} of ${repetitions}`);
      await steps.repeat(sites, tenant, times);
    }
    if (inTime('the unindexed column')) {
      const child = await measureUnindexed(sites, sites.admin(), tenant.tenantId, times);
      say(child === null ? 'No key is small enough to be measured unindexed.' : `Unindexed: ${child}`);
    }
  } finally {
    await sites.close();
  }
}

function figuresOf(times: Times): Figure[] {
  const raw = { what: 'raw', times: [...times.of(steps.RAW_FIRST), ...times.of(steps.RAW_LAST)] };
  const insert = { what: 'insert', times: times.of(steps.INSERT) };
  const row = (what: string) => ({ what, times: times.of(what) });
  const previews = times.of(steps.PREVIEW);
  return [
    { ...row(steps.RAW_FIRST), against: raw },
    { ...row(steps.STAGE), against: raw, toReach: '<= 1.1' },
    { ...row(steps.PURGE), against: raw },
    { ...row(SAGA), against: raw, toReach: '<= 2' },
    { ...row(steps.INSERT), against: insert },
    { ...row(steps.RESTORE), against: insert, toReach: '<= 0.8' },
    row(UNINDEXED_RAW),
    {
      ...row(UNINDEXED_STAGE),
      against: { what: 'unindexed raw', times: times.of(UNINDEXED_RAW) },
      toReach: '<= 0.01',
    },
    row(steps.EMPTY),
    row(SAGA_EMPTY),
    row(steps.PREVIEW),
    {
      what: 'preview, p95',
      times: previews.length === 0 ? [] : [quantile(previews, 0.95)],
      toReach: '< 100 ms',
    },
    row(steps.PREVIEW_EMPTY),
    { ...row(steps.RAW_LAST), against: raw },
  ].flatMap((one) => figure(one) ?? []);
}

function tell(
  options: Options,
  facts: { readonly rows: number; readonly postgres: string },
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
  say(
    `\n${result.rows} rows of one tenant over 12 services, PostgreSQL ${result.postgres}, ${result.cpus} CPUs (${result.cpu})`,
  );
  if (options.json) process.stdout.write(`${text}\n`);
  else process.stdout.write(`${tableOf(figures)}\n`);
  say(`Written to ${file}`);
}

function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It should be a whole number from ${least} to ${most}.`);
  };
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
    'whole deletions by API and Temporal; 0 leaves them out (default: 1)',
    number(0, 20),
  )
  .option('--minutes <number>', 'after so long, no further repetition is begun', number(1, 600), 15)
  .option('--small', '20000 rows: done within two minutes')
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
