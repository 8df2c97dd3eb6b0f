/** `npm run seed`: adds tenants with sample data to the running system. The last line on stdout is JSON. */
import { Command, InvalidArgumentError } from 'commander';
import { FEWEST_ROWS, type SeedProgress, seedTenants } from '../services/sample-data/load.js';
import { readLocalEnvironment } from './state.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const MOST_TENANTS = 10_000;
const MOST_ROWS = 50_000_000;

interface Options {
  readonly tenants: number;
  readonly rows: number;
  readonly seed?: string;
}

const say = (text: string): void => void process.stderr.write(text);

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It should be a whole number from ${least} to ${most}.`);
  };
}

function seedText(text: string): string {
  if (text.trim() !== '' && text.length <= 200) return text;
  throw new InvalidArgumentError('It should be a text of 1 to 200 characters.');
}

/** On a terminal one line that changes, elsewhere a line for each service. */
function progressTo(stream: NodeJS.WriteStream): (progress: SeedProgress) => void {
  const done = new Set<string>();
  return ({ service, rows, of }) => {
    const share = of === 0 ? 100 : Math.floor((rows / of) * 100);
    const text = `${String(share).padStart(3)} %  ${rows} of ${of} rows`;
    if (stream.isTTY) stream.write(`\r\u001b[K${text}  ${service}${rows === of ? '\n' : ''}`);
    else if (!done.has(service) || rows === of) stream.write(`${text}  ${service}\n`);
    done.add(service);
  };
}

async function seed({ tenants, rows, seed: given }: Options): Promise<void> {
  const databaseUrl = readLocalEnvironment()('DATABASE_URL');
  if (rows < FEWEST_ROWS) say(`A tenant has at least ${FEWEST_ROWS} rows: one in each table.\n`);
  const begun = Date.now();
  const seeded = await seedTenants({
    databaseUrl,
    tenants,
    rowsPerTenant: rows,
    ...(given !== undefined && { seed: given }),
    onProgress: progressTo(process.stderr),
  });
  say(`Added ${seeded.length} tenants in ${((Date.now() - begun) / 1_000).toFixed(1)} s\n`);
  const lines = seeded.map((one) => ({
    tenant_id: one.tenantId,
    owner_user_id: one.ownerUserId,
    rows: one.rows,
  }));
  process.stdout.write(`${JSON.stringify(lines)}\n`);
}

const program = new Command('seed')
  .description('Adds tenants with sample data to the running system (npm start).')
  .option('--tenants <number>', 'how many', wholeNumber(1, MOST_TENANTS), 1)
  .option('--rows <number>', 'rows of each, over all services', wholeNumber(1, MOST_ROWS), 20_000)
  .option('--seed <text>', 'the same seed gives the same rows, ids included; a new one by default', seedText)
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .action(seed);

try {
  await program.parseAsync();
} catch (error) {
  say(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = EXIT_FAILED;
}
