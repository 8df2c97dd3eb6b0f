#!/usr/bin/env node
/** `lethe`: reads the command line, hands over to the command, and turns its result into an exit status. */
import { Command as Commander, CommanderError, Option } from 'commander';
import { ConfigurationError, readCliConfig } from '../config.js';
import { JOB_STATUSES } from '../protocol/jobs.js';
import { ApiRefusal, ApiUnreachable, createApiClient } from './api-client.js';
import { deleteTenant } from './commands/delete.js';
import { doctor } from './commands/doctor.js';
import { cancelJob, listJobs, replayJobs, showJob, watch } from './commands/jobs.js';
import { preview } from './commands/preview.js';
import type { Command } from './context.js';
import { EXIT } from './exit-codes.js';
import { createOutput } from './output.js';

const LOCAL_API = 'http://127.0.0.1:8080';

interface GlobalOptions {
  readonly json?: boolean;
  readonly apiUrl?: string;
  readonly token?: string;
}

function build(): Commander {
  const program = new Commander('lethe')
    .description('Deletes one tenant from every service, and shows how it goes.')
    .option('--json', 'one JSON document on standard output')
    .option('--api-url <url>', `address of the API (API_URL; otherwise ${LOCAL_API})`)
    .option('--token <token>', "a user's token (better: LETHE_TOKEN, which no process list shows)")
    .showHelpAfterError()
    .exitOverride();

  program
    .command('delete')
    .argument('<tenant>', "the tenant's id")
    .description('start the deletion of a tenant, and watch it')
    .option('--reason <text>', 'why, for the record')
    .option('--start-at <time>', 'not before this time (RFC 3339)')
    .option('--restore-window <duration>', 'how long everything can still be brought back, e.g. 72h')
    .option('--preview-hash <hash>', 'only if the preview is still the one with this hash')
    .option('--due-at <time>', 'when it has to be done (RFC 3339)')
    .option('--no-watch', 'return at once')
    .action(run(deleteTenant));
  program
    .command('preview')
    .argument('<tenant>', "the tenant's id")
    .description('show what a deletion would remove; changes nothing')
    .option('--tables', 'table by table')
    .action(run(preview));

  const jobs = program.command('jobs').description('look after deletion jobs');
  jobs
    .command('list')
    .description('list jobs, newest first')
    .addOption(new Option('--status <status>', 'only with this status').choices([...JOB_STATUSES]))
    .option('--tenant <id>', 'only of this tenant')
    .option('--service <name>', 'only where this service has failed')
    .option('--from <time>', 'requested at or after')
    .option('--to <time>', 'requested before')
    .option('--overdue', 'only those that are past their due time')
    .option('--limit <n>', 'how many', '20')
    .option('--cursor <cursor>', 'go on where a page ended')
    .action(run(listJobs));
  jobs.command('show').argument('<job>').description('show one job').action(run(showJob));
  jobs.command('watch').argument('<job>').description('stay with a job until it ends').action(run(watch));
  jobs.command('cancel').argument('<job>').description('bring everything back').action(run(cancelJob));
  jobs
    .command('replay')
    .argument('[job]', 'one job; otherwise all that fit the filter')
    .description('try failed jobs again')
    .option('--tenant <id>')
    .addOption(new Option('--status <status>').choices(['needs_attention', 'compensated', 'refused']))
    .option('--service <name>', 'where this service has failed')
    .option('--from <time>', 'requested at or after')
    .option('--to <time>', 'requested before')
    .option('--dry-run', 'list them, start nothing')
    .action(run(replayJobs));

  program
    .command('doctor')
    .description('check every service of a running deployment')
    .option('--quick', "without the plans' findings")
    .action(run(doctor));
  return program;
}

// Commander calls an action with the arguments, then the options, then itself.
function run<Options, Arguments extends unknown[]>(command: Command<Options, Arguments>) {
  return async (...values: unknown[]): Promise<void> => {
    const self = values.pop() as Commander;
    const options = values.pop() as Options;
    const globals = self.optsWithGlobals<GlobalOptions>();
    const config = readCliConfig();
    const colours = process.stdout.isTTY === true && config.NO_COLOR === undefined;
    const api = createApiClient({
      apiUrl: globals.apiUrl ?? config.API_URL ?? LOCAL_API,
      token: globals.token ?? config.LETHE_TOKEN,
    });
    try {
      const out = createOutput({ json: globals.json === true, colours });
      process.exitCode = await command({ api, out }, options, ...(values as Arguments));
    } finally {
      await api.close();
    }
  };
}

function exitStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const json = process.argv.includes('--json');
  if (error instanceof ApiRefusal) {
    process.stderr.write(json ? `${JSON.stringify(error.document)}\n` : `${error.code}: ${error.detail}\n`);
    return EXIT.failed;
  }
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof ApiUnreachable) return EXIT.unreachable;
  return error instanceof ConfigurationError ? EXIT.usage : EXIT.failed;
}

try {
  await build().parseAsync();
} catch (error) {
  process.exitCode = exitStatus(error);
}
