/** The end of a story: the certificate, checked by a process that has the public keys and nothing else. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { childEnvironment } from '../../config.js';
import type { JobView } from '../../protocol/jobs.js';
import type { SeededTenant } from '../../services/sample-data/load.js';
import { projectRoot } from '../paths.js';
import { programIn } from '../programs.js';
import type { Stage } from './stories.js';

/** Gives whether it holds, and whether one letter that is changed in it is found. */
export async function checkCertificate(stage: Stage, tenant: SeededTenant, job: JobView): Promise<boolean> {
  const { api, screen, platform } = stage;
  const directory = join(platform.files.signingKeysDirectory, '..');
  const at = (name: string) => join(directory, name);
  const keys = at('certificate-keys.json');
  const file = at(`certificate-${job.job_id}.jws`);
  const page = at(`certificate-${job.job_id}.html`);
  const { jws, html } = await api.certificate(job.job_id);
  const published = await fetch(`${platform.apiUrl}/.well-known/certificate-keys.json`);
  writeFileSync(keys, await published.text());
  writeFileSync(file, jws);
  writeFileSync(page, html);
  const middle = Math.floor(jws.length / 2);
  const changed = at('changed.jws');
  writeFileSync(changed, `${jws.slice(0, middle)}${jws[middle] === 'A' ? 'B' : 'A'}${jws.slice(middle + 1)}`);

  const program = programIn(platform.programs, 'cli/lethe');
  const [verified, noticed] = await Promise.all([
    verify(program, file, keys, tenant.tenantId),
    verify(program, changed, keys, tenant.tenantId),
  ]);
  const named = (path: string) => relative(process.cwd(), path);
  screen.tell(screen.out.dim(`lethe certificate verify ${named(file)} --keys ${named(keys)} --tenant …`));
  const holds = screen.check(
    verified.status === 0,
    'A process of its own, with nothing but the public keys, finds the certificate as it was signed',
    verified.said,
  );
  const seen = screen.check(
    noticed.status === 1 && noticed.said.includes('Does not hold'),
    'One letter changed in it, and it says so',
    noticed.said,
  );
  screen.tell(`To read and print: ${named(page)}`);
  return holds && seen;
}

/** Without the platform's addresses, databases and tokens. */
async function verify(
  program: string,
  file: string,
  keys: string,
  tenantId: string,
): Promise<{ readonly status: number | null; readonly said: string }> {
  const words = ['certificate', 'verify', file, '--keys', keys, '--tenant', tenantId];
  const child = spawn(process.execPath, [program, ...words], {
    cwd: projectRoot,
    env: childEnvironment({
      API_URL: 'http://127.0.0.1:9',
      LETHE_TOKEN: undefined,
      DATABASE_URL: undefined,
      NO_COLOR: '1',
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [said, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, said: said + errors };
}
