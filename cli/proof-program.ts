/** The commands about certificates, the audit trail, people and keys. */
import type { Command as Commander } from 'commander';
import { exportAudit, fetchHeads, verifyAudit } from './commands/audit.js';
import { downloadCertificate, showCertificate, verifyCertificate } from './commands/certificate.js';
import { addKey, listKeys, retireKey } from './commands/keys.js';
import { forgetPerson } from './commands/people.js';
import type { Run } from './program.js';

export function addProofCommands(program: Commander, run: Run): void {
  const certificate = program.command('certificate').description('certificates of erasure');
  certificate
    .command('show')
    .argument('<job>')
    .description('what the certificate of a job says')
    .action(run(showCertificate));
  certificate
    .command('download')
    .argument('<job>')
    .description('write it to a file, as it was signed')
    .option('--out <file>', 'otherwise certificate-<job>.jws in this directory')
    .option('--page', 'as a page to read and print')
    .action(run(downloadCertificate));
  certificate
    .command('verify')
    .argument('<file>')
    .description('check one, without the platform')
    .requiredOption('--keys <url|file>', 'public keys: …/.well-known/certificate-keys.json, or a copy of it')
    .option('--tenant <id>', 'whose certificate it should be')
    .action(run(verifyCertificate));

  const audit = program.command('audit').description('the audit trail');
  audit
    .command('export')
    .description('write the trail, or a part of it, to a file')
    .option('--job <id>', 'only of this job')
    .option('--tenant <id>', 'only of this tenant')
    .option('--from <time>', 'at or after')
    .option('--to <time>', 'before')
    .option('--out <file>', 'where to', 'lethe-audit.ndjson')
    .action(run(exportAudit));
  audit
    .command('heads')
    .description('write the signed heads to a file, to be kept elsewhere')
    .option('--after <number>', 'only those after this one', '0')
    .option('--out <file>', 'where to', 'lethe-audit-heads.json')
    .action(run(fetchHeads));
  audit
    .command('verify')
    .argument('<file>')
    .description('check an export, without the platform')
    .option('--heads <file>', 'signed heads: then a cut end is seen, too')
    .option('--certificate <file>', "a job's certificate, which says where its trail stood")
    .option(
      '--keys <url|file...>',
      'public keys: of heads …/.well-known/records-keys.json, of certificates …/certificate-keys.json, or copies',
    )
    .action(run(verifyAudit));

  program
    .command('people')
    .description('people in the records')
    .command('forget')
    .argument('<user>', "the user's id")
    .description('forget who it was; the trail keeps a pseudonym')
    .option('--yes', 'without being asked')
    .action(run(forgetPerson));

  const keys = program.command('keys').description("the platform's signing keys, in their directory");
  const directory = ['--directory <path>', 'SIGNING_KEYS_DIR', 'keys'] as const;
  keys
    .command('list')
    .description('which there are')
    .option(...directory)
    .action(run(listKeys));
  keys
    .command('add')
    .argument('<purpose>')
    .description('make a new one, which signs from then on')
    .option(...directory)
    .action(run(addKey));
  keys
    .command('retire')
    .argument('<purpose>')
    .argument('<kid>')
    .description('take the private half away; it stays published')
    .option(...directory)
    .action(run(retireKey));
}
