/** The commands about tenants who are gone. */
import type { Command as Commander } from 'commander';
import {
  approveRelease,
  checkErased,
  exportErased,
  importErased,
  listErased,
  releaseTombstone,
} from './commands/erased.js';
import { reapply } from './commands/reapply.js';
import type { Run } from './program.js';

export function addErasedCommands(program: Commander, run: Run): void {
  const erased = program.command('erased').description('tenants who are gone, and whether they still are');
  erased
    .command('list')
    .description('list them, oldest first')
    .option('--limit <n>', 'how many', '50')
    .option('--cursor <cursor>', 'go on where a page ended')
    .action(run(listErased));
  erased
    .command('check')
    .argument('<tenant>', "the tenant's id")
    .description('ask every service now')
    .action(run(checkErased));
  erased
    .command('export')
    .description('the whole list, signed')
    .option('--out <file>', 'where to; otherwise standard output')
    .action(run(exportErased));
  erased
    .command('import')
    .argument('<file>', 'a list that was exported')
    .description('mark its tenants as erased, where the records were lost')
    .action(run(importErased));
  program
    .command('reapply')
    .description('erase again what came back at a service, as after a restore from backup')
    .requiredOption('--service <name>', 'where')
    .option('--tenant <id>', 'only this tenant; otherwise all that are known by UUID')
    .option('--reason <text>', 'why, for the record')
    .option('--dry-run', 'list them, start nothing')
    .action(run(reapply));
  const tombstone = program
    .command('tombstone')
    .description('lift the mark of an erased tenant whose key was given to somebody new');
  tombstone
    .command('release')
    .argument('<tenant>', "the tenant's id")
    .description('ask for it')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(run(releaseTombstone));
  tombstone
    .command('approve')
    .argument('<tenant>', "the tenant's id")
    .description('approve what somebody else has asked for')
    .action(run(approveRelease));
}
