/** `lethe` without its process: reads the command line, hands over to the command, and gives the exit status. */
import { Command as Commander, CommanderError, Option } from 'commander';
import { JOB_STATUSES } from '../protocol/jobs.js';
import { createApiClient } from './api-client.js';
import { coverageOfFiles, coverageOfServices } from './commands/coverage.js';
import { deleteTenant } from './commands/delete.js';
import { doctor } from './commands/doctor.js';
import { cancelJob, listJobs, replayJobs, showJob, watch } from './commands/jobs.js';
import { preview } from './commands/preview.js';
import type { Command } from './context.js';
import { either } from './either.js';
import { addErasedCommands } from './erased-program.js';
import { EXIT } from './exit-codes.js';
import { failureOf } from './failures.js';
import { addGateJobCommands, addHoldCommands } from './gate-program.js';
import { createOutput, type Stream } from './output.js';
import type { ParticipantCommand, ParticipantHost } from './participant/context.js';
import { addParticipantCommands } from './participant/program.js';
import { addExportCommand, addWaiverCommands } from './portability-program.js';
import { addProofCommands } from './proof-program.js';
import { addRetainedCommands } from './retained-program.js';

/** What the process gives to the program. */
export interface Host {
  /** Where the API is, unless the command line says so. */
  readonly apiUrl: string;
  readonly token: string | undefined;
  readonly colours: boolean;
  readonly version: string;
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** For commands about a participant's file. */
  readonly participant: ParticipantHost;
}

interface GlobalOptions {
  readonly json?: boolean;
  readonly apiUrl?: string;
  readonly token?: string;
}

/** Runs one command line (without the program's own name); gives the exit status. */
export async function runLethe(words: readonly string[], host: Host): Promise<number> {
  const result = { status: EXIT.ok as number };
  const program = build(host, (status) => {
    result.status = status;
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return result.status;
  } catch (error) {
    // Commander has told what is wrong by itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { json, token } = program.opts<GlobalOptions>();
    const failure = failureOf(error, (token ?? host.token) !== undefined);
    host.stderr.write(`${json ? JSON.stringify(failure.document) : failure.text}\n`);
    return failure.exit;
  }
}

function build(host: Host, done: (status: number) => void): Commander {
  // Commander calls an action with the arguments, then the options, then itself.
  function run<Options, Arguments extends unknown[]>(command: Command<Options, Arguments>) {
    return async (...values: unknown[]): Promise<void> => {
      const self = values.pop() as Commander;
      const options = values.pop() as Options;
      const { json = false, apiUrl, token } = self.optsWithGlobals<GlobalOptions>();
      const api = createApiClient({ apiUrl: apiUrl ?? host.apiUrl, token: token ?? host.token });
      try {
        const out = createOutput({ json, colours: host.colours, stream: host.stdout });
        const { ask } = host.participant;
        done(await command({ api, out, ...(ask && { ask }) }, options, ...(values as Arguments)));
      } finally {
        await api.close();
      }
    };
  }

  function runParticipant<Options>(command: ParticipantCommand<Options>) {
    return async (...values: unknown[]): Promise<void> => {
      const self = values.pop() as Commander;
      const options = values.pop() as Options;
      const { json = false } = self.optsWithGlobals<GlobalOptions>();
      const out = createOutput({ json, colours: host.colours, stream: host.stdout });
      done(await command({ out, host: host.participant }, options));
    };
  }

  const program = new Commander('lethe')
    .description('Deletes one tenant from every service, and shows how it goes.')
    .version(host.version)
    .option('--json', 'one JSON document on standard output')
    .option('--api-url <url>', `address of the API (otherwise API_URL, now ${host.apiUrl})`)
    .option('--token <token>', "a user's token (better: LETHE_TOKEN, which no process list shows)")
    .configureOutput({
      writeOut: (text) => void host.stdout.write(text),
      writeErr: (text) => void host.stderr.write(text),
      getOutHasColors: () => host.colours,
      getErrHasColors: () => host.colours,
    })
    .showSuggestionAfterError()
    .exitOverride();
  addTenantCommands(program, run);
  addJobCommands(program, run);
  addHoldCommands(program, run);
  addWaiverCommands(program, run);
  addErasedCommands(program, run);
  addProofCommands(program, run);
  program
    .command('doctor')
    .description('check every service of a running deployment')
    .option('--quick', "without the plans' findings")
    .action(run(doctor));
  program
    .command('coverage')
    .description("whether every table that holds tenants' rows is accepted; status 1 where one is not")
    .option(
      '--config <file or directory>',
      "participants' files: their databases are asked, not the platform",
    )
    .option('--database-url-env <name>', 'with --config: connect by the URL in this variable')
    .action(either(run(coverageOfServices), runParticipant(coverageOfFiles)));
  addParticipantCommands(program, runParticipant);
  addRetainedCommands(program, run, runParticipant);
  return program;
}

export type Run = <Options, Arguments extends unknown[]>(
  command: Command<Options, Arguments>,
) => (...values: unknown[]) => Promise<void>;

function addTenantCommands(program: Commander, run: Run): void {
  program
    .command('delete')
    .argument('<tenant>', "the tenant's id")
    .description('start the deletion of a tenant, and watch it')
    .option('--reason <text>', 'why, for the record')
    .option('--start-at <time>', 'not before this time (RFC 3339)')
    .option('--restore-window <duration>', 'how long everything can still be brought back, e.g. 72h')
    .option('--preview-hash <hash>', 'only if the preview is still the one with this hash')
    .option('--due-at <time>', 'when it has to be done (RFC 3339)')
    .option(
      '--confirm-name <name>',
      "the tenant's name, so that a wrong id is noticed; asked for at a terminal",
    )
    .option('--require-approval', 'let somebody else approve it first')
    .option(
      '--export',
      "the tenant's data as a file, out of what is deleted; fetch it with lethe jobs export",
    )
    .option('--watch', 'stay until it has ended or needs a person (the default)', true)
    .option('--no-watch', 'return at once')
    .action(run(deleteTenant));
  program
    .command('preview')
    .argument('<tenant>', "the tenant's id")
    .description('show what a deletion would remove; changes nothing')
    .option('--tables', 'table by table')
    .action(run(preview));
}

function addJobCommands(program: Commander, run: Run): void {
  const jobs = program.command('jobs').description('look after deletion jobs');
  jobs
    .command('list')
    .description('list jobs, newest first')
    .addOption(new Option('--status <status>', 'only with this status').choices([...JOB_STATUSES]))
    .option('--tenant <id>', 'only of this tenant')
    .option('--service <name>', 'only where this service takes part')
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
  addGateJobCommands(jobs, run);
  addExportCommand(jobs, run);
}
