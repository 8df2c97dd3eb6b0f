/** The commands about what is retained: by the platform, or at one participant's database. */
import type { Command as Commander } from 'commander';
import { exportRetained, exportRetainedAt, listRetained, listRetainedAt } from './commands/retained.js';
import { either } from './either.js';
import type { RunParticipant } from './participant/program.js';
import type { Run } from './program.js';

export function addRetainedCommands(program: Commander, run: Run, runParticipant: RunParticipant): void {
  const retained = program.command('retained').description('rows of erased tenants that have to be retained');
  retained
    .command('list')
    .description('which there are, on which ground, until when; no row is shown')
    .option('--service <name>', 'only of this service')
    .option('--tenant <id>', 'only of this tenant')
    .option('--config <file>', "a participant's file: its database is asked, not the platform")
    .option('--database-url-env <name>', 'with --config: connect by the URL in this variable')
    .action(either(run(listRetained), runParticipant(listRetainedAt)));
  retained
    .command('export')
    .description('write them to a file, one a line, for an auditor')
    .option('--service <name>', 'of which service')
    .option('--tenant <id>', 'only of this tenant')
    .option('--config <file>', "a participant's file: its database is asked, not the platform")
    .option('--database-url-env <name>', 'with --config: connect by the URL in this variable')
    .option('--out <file>', 'where to', 'lethe-retained.ndjson')
    .action(either(run(exportRetained), runParticipant(exportRetainedAt)));
}
