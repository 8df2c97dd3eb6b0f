/** The command lines of exports and waivers. */
import type { Command as Commander } from 'commander';
import { exportJob } from './commands/export.js';
import { approveWaiver, askWaiver, listWaivers, withdrawWaiver } from './commands/waive.js';
import type { Run } from './program.js';

/** Below `lethe jobs`. */
export function addExportCommand(jobs: Commander, run: Run): void {
  jobs
    .command('export')
    .argument('<job>')
    .description("write the tenant's data to a file, where it was asked for")
    .option('--out <file>', 'where to; otherwise JOB.zip')
    .action(run(exportJob));
}

export function addWaiverCommands(program: Commander, run: Run): void {
  const waivers = program.command('waivers').description('going on without a service that is gone');
  waivers
    .command('ask')
    .argument('<service>')
    .description('ask that jobs go on without a service; somebody else has to approve')
    .requiredOption('--reason <text>', 'why, for the record and the certificate')
    .option('--job <id>', 'only this job')
    .action(run(askWaiver));
  waivers
    .command('approve')
    .argument('<service>')
    .argument('<waiver>')
    .description('approve what somebody else has asked for')
    .action(run(approveWaiver));
  waivers
    .command('withdraw')
    .argument('<service>')
    .argument('<waiver>')
    .description('take a waiver back before it is used')
    .action(run(withdrawWaiver));
  waivers
    .command('list')
    .argument('<service>')
    .description('all waivers of a service')
    .action(run(listWaivers));
}
