/** `lethe certificate`: show and fetch the certificate of a job, and check one without asking anybody. */
import { z } from 'zod';
import { type Certificate, certificate } from '../../proof/certificate.js';
import { checkCertificate } from '../../proof/check-certificate.js';
import { readKeySet } from '../../protocol/key-source.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { readText, saveTo } from '../files.js';
import { count, type Output } from '../output.js';

const stored = z.object({ jws: z.string(), certificate });
const certificatePath = (job: string) => `/api/v1/deletion-jobs/${encodeURIComponent(job)}/certificate`;

/** `lethe certificate show JOB`: what it says, unchecked. */
export const showCertificate: Command<object, [job: string]> = async ({ api, out }, _options, job) => {
  const found = await api.call(stored, 'GET', certificatePath(job));
  out.document(found);
  printCertificate(out, found.certificate);
  out.line(`\nTo check it: lethe certificate download ${job}, then lethe certificate verify FILE --keys …`);
  return EXIT.ok;
};

export interface DownloadOptions {
  readonly out?: string;
  readonly page?: boolean;
}

/** `lethe certificate download JOB`: the signed text, or the page to read and print. */
export const downloadCertificate: Command<DownloadOptions, [job: string]> = async (
  { api, out },
  options,
  job,
) => {
  const file = options.out ?? `certificate-${job}.${options.page ? 'html' : 'jws'}`;
  if (options.page) await saveTo(file, await api.download(certificatePath(job), 'text/html'));
  else await saveTo(file, [Buffer.from((await api.call(stored, 'GET', certificatePath(job))).jws)]);
  out.document({ file });
  out.line(`Written to ${file}.`);
  return EXIT.ok;
};

export interface VerifyOptions {
  readonly keys: string;
  readonly tenant?: string;
}

/** `lethe certificate verify FILE`: by the public keys alone; status 1 where it does not hold. */
export const verifyCertificate: Command<VerifyOptions, [file: string]> = async ({ out }, options, file) => {
  const [keys, text] = [await readKeySet(options.keys), await readText(file)];
  const checked = await checkCertificate(signedTextIn(text), keys, options.tenant);
  out.document(checked);
  if (!checked.valid) {
    out.line(`${out.colour('Does not hold', 'red')} (${checked.fault}). ${checked.why}`);
    return EXIT.failed;
  }
  out.line(`${out.colour('Holds', 'green')}: signed with key ${checked.kid}, and nothing in it was changed.`);
  printCertificate(out, checked.certificate);
  if (options.tenant === undefined)
    out.line('\nWhose certificate it should be was not asked: --tenant says it.');
  return EXIT.ok;
};

/** The text as it was signed: editors and `curl` put one line break behind it; the API's answer has it in a member. */
export function signedTextIn(text: string): string {
  const jws = z.object({ jws: z.string() }).safeParse(asJson(text));
  return jws.success ? jws.data.jws : text.replace(/\r?\n$/, '');
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function printCertificate(out: Output, said: Certificate): void {
  const { job, requested, approval, totals, not_covered: notCovered } = said;
  out.line(`\n${out.strong('Certificate of erasure')} ${said.certificate_id}`);
  out.line(`  tenant     ${said.tenant_id}`);
  out.line(`  issued     ${said.issued_at} by ${said.issuer}`);
  out.line(`  job        ${job.job_id}, past the point of no return at ${job.decided_at}`);
  out.line(`  asked for  ${job.requested_at} by ${requested.id} (${requested.role})`);
  if (requested.ground) out.line(`  ground     ${requested.ground}`);
  for (const one of approval.approvals)
    out.line(`  approved   ${one.at} by ${one.id} (${one.role}): ${one.ground}`);
  const kinds = [
    ['deleted', totals.deleted],
    ['retained', totals.retained],
    ['anonymized', totals.anonymized],
    ['kept', totals.kept],
  ] as const;
  const named = kinds.filter(([kind, rows]) => kind === 'deleted' || rows > 0);
  out.line(`  rows       ${named.map(([kind, rows]) => `${count(rows)} ${kind}`).join(', ')}`);
  out.line();
  out.table(
    ['  service', 'deleted', 'found clean', 'fence', 'horizon'],
    said.services.map(({ service, tables, verified_at, fence, horizon }) => [
      `  ${service}`,
      tables.reduce((sum, table) => sum + table.deleted, 0),
      verified_at,
      fence ?? '',
      horizon ?? '',
    ]),
  );
  for (const { service, reason } of said.waivers) out.line(`\n  Not asked: ${service}. ${reason}`);
  out.line('\n  Not covered:');
  for (const { what, gone_by } of notCovered.storage) {
    out.line(
      `    ${what.replaceAll('_', ' ')}, ${gone_by === null ? 'nobody can say until when' : `gone by ${gone_by}`}`,
    );
  }
  for (const system of notCovered.systems) out.line(`    ${system}`);
}
