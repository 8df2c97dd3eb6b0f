/** The commands about a participant's file. */
import { type Command as Commander, Option } from 'commander';
import { engineStep, engineVerify } from '../commands/engine.js';
import { installFence, listFence, removeFence } from '../commands/fence.js';
import { grants } from '../commands/grants.js';
import { init } from '../commands/init.js';
import { plan } from '../commands/plan.js';
import { serveParticipants } from '../commands/serve.js';
import type { ParticipantCommand } from './context.js';

/** Turns a command into what Commander calls. */
export type RunParticipant = <Options>(
  command: ParticipantCommand<Options>,
) => (...values: unknown[]) => Promise<void>;

const CONFIG = ['--config <file>', "the participant's file"] as const;
const URL_ENV = [
  '--database-url-env <name>',
  'connect by the URL in this variable instead of the one that the file names',
] as const;

export function addParticipantCommands(program: Commander, run: RunParticipant): void {
  program
    .command('init')
    .description("write a participant's file from what a database's catalog says")
    .requiredOption('--database-url-env <name>', 'environment variable that holds the database URL')
    .option('--root <schema.table.key>', 'the table in which a tenant is a row, and its key')
    .option('--column <name...>', "columns that hold a tenant's key")
    .requiredOption('--out <file>', 'where the file goes')
    .option('--schema <name...>', 'schemas to take; otherwise those in which tenants are found')
    .option('--name <name>', "the participant's name in the registry; otherwise after the file")
    .option('--lethe-schema <name>', "Lethe's own schema in this database", 'lethe')
    .option('--yes', 'take every suggestion')
    .option('--force', 'write over a file that is there')
    .action(run(init));
  program
    .command('plan')
    .description('show what a deletion does, table by table; writes nothing to the database')
    .requiredOption(...CONFIG)
    .option('--tenant <id>', "this tenant's rows, and what a stage of them takes")
    .option('--accept', 'take what differs from the accepted tables into the file')
    .option(...URL_ENV)
    .action(run(plan));
  program
    .command('grants')
    .description('print the SQL that gives a role what it needs, for review')
    .requiredOption(...CONFIG)
    .requiredOption('--role <name>', 'the role that the participant is served with')
    .option('--check', 'print what is missing; status 1 where anything is')
    .option('--reader <name>', 'the login role that reads what is retained; otherwise <role>_retained')
    .option('--fast-path', 'with the right to move rows with triggers off, which a superuser has to grant')
    .option(...URL_ENV)
    .action(run(grants));
  addFence(program, run);
  program
    .command('serve')
    .description('serve the deletion protocol for one file, or for all of a directory')
    .requiredOption('--config <file or directory>', "the participants' files")
    .option('--port <port>', 'port of the first; the others follow', '8301')
    .action(run(serveParticipants));
  addEngine(program, run);
}

function addFence(program: Commander, run: RunParticipant): void {
  const fence = program.command('fence').description('triggers that keep late rows of an erased tenant out');
  for (const [name, about, command] of [
    ['install', 'install them, one table per transaction', installFence],
    ['list', 'show where they are', listFence],
    ['remove', 'take them away', removeFence],
  ] as const) {
    fence
      .command(name)
      .description(about)
      .requiredOption(...CONFIG)
      .option(...URL_ENV)
      .action(run(command));
  }
}

function addEngine(program: Commander, run: RunParticipant): void {
  const engine = program.command('engine').description('one step by hand, for trials and emergencies');
  for (const [name, about, command] of [
    ['stage', "move the tenant's rows into the archive", engineStep('staged')],
    ['restore', 'bring the archive back', engineStep('restored')],
    ['purge', 'drop the archive: there is no way back', engineStep('purged')],
    ['verify', 'count what is left', engineVerify],
  ] as const) {
    const step = engine
      .command(name)
      .description(about)
      .requiredOption(...CONFIG)
      .requiredOption('--tenant <id>', "the tenant's key")
      .requiredOption('--job <id>', 'the deletion job, a UUID')
      .addOption(new Option('--break-glass <reason>', 'why the platform is gone round; kept in the ledger'))
      .option(...URL_ENV)
      .action(run(command));
    if (name === 'restore') {
      const what =
        'rows that cannot come back: list them by their keys, or put them aside and restore all others';
      step.addOption(new Option('--conflicts <what>', what).choices(['list', 'skip-row']));
    }
  }
}
