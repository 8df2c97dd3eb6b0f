/** The command lines of approval, halt and legal holds. */
import type { Command as Commander } from 'commander';
import { approveJob, rejectJob } from './commands/approval.js';
import { haltJobs, resumeJobs } from './commands/halt.js';
import { liftHold, listHolds, placeHold } from './commands/holds.js';
import type { Run } from './program.js';

/** Below `lethe jobs`. */
export function addGateJobCommands(jobs: Commander, run: Run): void {
  for (const [name, description, command] of [
    ['approve', 'approve exactly what the hash stands for; never by who asked', approveJob],
    ['reject', 'end the job with nothing deleted; never by who asked', rejectJob],
  ] as const) {
    jobs
      .command(name)
      .argument('<job>')
      .description(description)
      .requiredOption('--hash <hash>', 'the approval hash that the job shows')
      .requiredOption('--reason <text>', 'why, for the record')
      .action(run(command));
  }
  jobs
    .command('halt')
    .description('freeze every job before its pivot; without a reason: say whether they are')
    .option('--reason <text>', 'why, for the record')
    .option('--and-restore', 'and bring all of them back')
    .action(run(haltJobs));
  jobs
    .command('resume')
    .description('let halted jobs go on')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(run(resumeJobs));
}

export function addHoldCommands(program: Commander, run: Run): void {
  const holds = program.command('holds').description('legal holds: what must not be deleted');
  holds
    .command('place')
    .argument('<tenant>', "the tenant's id")
    .description('keep everything of a tenant until the hold is lifted')
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--retained-rows', 'also where the tenant is erased: for what had to be kept')
    .action(run(placeHold));
  holds
    .command('list')
    .argument('<tenant>', "the tenant's id")
    .description('all holds of a tenant, also lifted ones')
    .action(run(listHolds));
  holds
    .command('lift')
    .argument('<hold>', "the hold's id")
    .description('lift a hold')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(run(liftHold));
}
