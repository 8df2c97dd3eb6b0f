/** Certificates, the trail, people and keys on the command line, over the API that serves them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../../cli/exit-codes.js';
import { readSigningKeys, writeSigningKey } from '../../../protocol/keys.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { sampleFacts, type TestCertificates, testCertificates } from '../../support/certificates.js';
import { type CliOptions, lethe } from '../../support/cli.js';

const HOSTILE = `</title><script>alert("x")</script>'&`;

let api: TestApi;
let apiUrl: string;
let certificates: TestCertificates;
let directory: string;
let keysUrl: string;
let owner: string;
let tokens: Record<'operator' | 'auditor' | 'owner', string>;
let tenant: string;
let job: string;

beforeAll(async () => {
  certificates = await testCertificates();
  await writeSigningKey(certificates.directory, 'records');
  api = await openTestApi({ certificateKeys: () => certificates.publicKeys() });
  apiUrl = await api.app.listen({ host: '127.0.0.1', port: 0 });
  keysUrl = `${apiUrl}/.well-known/certificate-keys.json`;
  directory = mkdtempSync(join(tmpdir(), 'lethe-proof-'));
  owner = await api.user();
  tokens = {
    operator: await api.users.token({ userId: await api.user(), roles: ['operator'] }),
    auditor: await api.users.token({ userId: await api.user(), roles: ['auditor'] }),
    owner: await api.users.token({ userId: owner }),
  };
  tenant = await api.tenant({ [owner]: 'owner' });
  const asked = { reason: HOSTILE, start_at: '2190-01-01T00:00:00Z' };
  const answer = await api.ask('POST', `/api/v1/tenants/${tenant}/deletion-jobs`, tokens.owner, asked);
  job = answer.body.job_id;
  await api.records.decideProceed(job);
  const epoch = await api.records.beginRun(job, 'run');
  const requested = { id: 'a-pseudonym', role: 'owner', ground: HOSTILE };
  await api.records.completeJob(job, { epoch, number: 1 }, 'Nothing is left.', () =>
    certificates.signer.issue(sampleFacts(tenant, job, { requested })),
  );
});
afterAll(async () => {
  await api?.close();
  certificates?.remove();
  rmSync(directory, { recursive: true, force: true });
});

const run = async (words: readonly string[], token?: string, more: Partial<CliOptions> = {}) => {
  const { exit, out, err } = await lethe(words, { apiUrl, token, ...more });
  return { exit, text: stripVTControlCharacters(out + err) };
};
const at = (name: string) => join(directory, name);

describe('lethe certificate', () => {
  it('shows it to the owner of a tenant that is gone, and writes it as it was signed', async () => {
    const shown = await run(['certificate', 'show', job], tokens.owner);
    expect(shown).toMatchObject({ exit: EXIT.ok, text: expect.stringContaining('7 deleted') });
    expect(shown.text).toContain('The newsletter');
    const written = await run(['certificate', 'download', job, '--out', at('c.jws')], tokens.owner);
    expect(written.exit).toBe(EXIT.ok);
    expect(readFileSync(at('c.jws'), 'utf8')).toBe((await api.records.certificateOf(job)).jws);
    const stranger = await api.users.token({ userId: await api.user() });
    expect(await run(['certificate', 'show', job], stranger)).toMatchObject({
      exit: EXIT.failed,
      text: expect.stringContaining('job_unknown'),
    });
  });

  it('checks a file by the published keys or a copy of them, without a token, whatever wraps it', async () => {
    const jws = (await api.records.certificateOf(job)).jws;
    writeFileSync(at('copy.json'), JSON.stringify(await certificates.publicKeys()));
    writeFileSync(at('line.jws'), `${jws}\n`);
    const answer = await api.ask('GET', `/api/v1/deletion-jobs/${job}/certificate`, tokens.operator);
    writeFileSync(at('answer.json'), JSON.stringify(answer.body));
    for (const [file, keys] of [
      ['line.jws', keysUrl],
      ['answer.json', at('copy.json')],
    ] as const) {
      const words = ['certificate', 'verify', at(file), '--keys', keys, '--tenant', tenant];
      expect(await run(words, undefined, { apiUrl: 'http://127.0.0.1:9' })).toMatchObject({
        exit: EXIT.ok,
        text: expect.stringContaining('Holds'),
      });
    }
  });

  it('explains each failure, with status 1', async () => {
    const jws = (await api.records.certificateOf(job)).jws;
    writeFileSync(at('cut.jws'), jws.slice(0, -1));
    writeFileSync(
      at('changed.jws'),
      jws.replace(/\..{20}/, (part) => `${part.slice(0, -1)}x`),
    );
    writeFileSync(at('other-keys.json'), '{"keys":[]}');
    writeFileSync(at('good.jws'), jws);
    const verify = (file: string, keys: string, more: readonly string[] = []) =>
      run(['certificate', 'verify', at(file), '--keys', keys, ...more]);
    const failed = (text: string) => ({ exit: EXIT.failed, text: expect.stringContaining(text) });
    expect(await verify('cut.jws', keysUrl)).toMatchObject(failed('malformed'));
    expect(await verify('changed.jws', keysUrl)).toMatchObject(failed('changed'));
    expect(await verify('good.jws', at('other-keys.json'))).toMatchObject(failed('unknown_key'));
    expect(await verify('good.jws', keysUrl, ['--tenant', 'another'])).toMatchObject(failed('other_tenant'));
    expect(await verify('good.jws', at('none.json'))).toMatchObject(failed('cannot be read'));
    expect(await verify('none.jws', keysUrl)).toMatchObject({ exit: EXIT.usage });
  });

  it('writes a page to read and print: no script, nothing loaded, every value escaped', async () => {
    const words = ['certificate', 'download', job, '--page', '--out', at('c.html')];
    expect(await run(words, tokens.owner)).toMatchObject({ exit: EXIT.ok });
    const page = readFileSync(at('c.html'), 'utf8');
    expect(page).toContain(tenant);
    expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;');
    expect(page).not.toMatch(/<script|<link|<img|src=|href=|\son\w+=/i);
    const path = `${apiUrl}/api/v1/deletion-jobs/${job}/certificate`;
    const browser = { accept: 'text/html,application/xhtml+xml', authorization: `Bearer ${tokens.owner}` };
    const { headers } = await fetch(path, { headers: browser });
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+';/,
    );
  });
});

describe('lethe audit', () => {
  it('exports the trail and its heads for the auditor, and checks them without the platform', async () => {
    const { signing } = await readSigningKeys(certificates.directory, 'records');
    await api.records.signAuditHead({ issuer: 'tests', key: signing, atOnce: true });
    const [trail, heads] = [at('audit.ndjson'), at('heads.json')];
    expect(await run(['audit', 'export', '--out', trail], tokens.operator)).toMatchObject({
      exit: EXIT.failed,
      text: expect.stringContaining('forbidden'),
    });
    expect(await run(['audit', 'export', '--out', trail], tokens.auditor)).toMatchObject({ exit: EXIT.ok });
    expect(await run(['audit', 'heads', '--out', heads], tokens.auditor)).toMatchObject({ exit: EXIT.ok });
    // Nobody's id stands in it.
    expect(readFileSync(trail, 'utf8')).not.toContain(owner);
    writeFileSync(
      at('keys.json'),
      JSON.stringify({ keys: (await readSigningKeys(certificates.directory, 'records')).jwks.keys }),
    );
    const offline = { apiUrl: 'http://127.0.0.1:9' };
    const verify = (file: string, more: readonly string[] = []) =>
      run(['audit', 'verify', file, ...more], undefined, offline);
    const withHeads = ['--heads', heads, '--keys', at('keys.json')];
    expect(await verify(trail, withHeads)).toMatchObject({
      exit: EXIT.ok,
      text: expect.stringContaining('Compared with 1 signed heads'),
    });
    const lines = readFileSync(trail, 'utf8').split('\n').filter(Boolean);
    const last = lines.findLastIndex((line) => line.includes(`"chain":"job/${job}"`));
    writeFileSync(at('cut.ndjson'), lines.filter((_, index) => index !== last).join('\n'));
    expect(await verify(at('cut.ndjson'))).toMatchObject({
      exit: EXIT.ok,
      text: expect.stringContaining('--heads'),
    });
    expect(await verify(at('cut.ndjson'), withHeads)).toMatchObject({
      exit: EXIT.failed,
      text: expect.stringContaining(`cut job/${job}`),
    });
    writeFileSync(
      at('changed.ndjson'),
      lines.join('\n').replace('"action":"run began"', '"action":"run ended"'),
    );
    expect(await verify(at('changed.ndjson'))).toMatchObject({
      exit: EXIT.failed,
      text: expect.stringMatching(/changed job\/.*, event \d+, line \d+/),
    });
    expect(await verify(trail, ['--heads', heads])).toMatchObject({ exit: EXIT.usage });
    // The certificate says where its job's trail stood; this one, that it stood where it has never been.
    writeFileSync(at('of-the-trail.jws'), (await api.records.certificateOf(job)).jws);
    const withCertificate = ['--certificate', at('of-the-trail.jws'), '--keys', keysUrl];
    expect(await verify(trail, withCertificate)).toMatchObject({
      exit: EXIT.failed,
      text: expect.stringContaining(`cut job/${job}, event 5: It ends with event 5; what was signed has 12`),
    });
    writeFileSync(at('empty'), '');
    expect(await verify(at('empty'))).toMatchObject({ exit: EXIT.failed });
  });

  it('pages through the trail, with the users behind the pseudonyms', async () => {
    const events = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const path: string = `/api/v1/audit?job_id=${job}&limit=2${cursor && `&cursor=${cursor}`}`;
      const { body } = await api.ask('GET', path, tokens.auditor);
      events.push(...body.events);
      expect(Object.values(body.people).every((user) => user === owner)).toBe(true);
      cursor = body.next_cursor;
    }
    expect(events.map(({ action }) => action)).toEqual([
      'deletion requested',
      'decided to proceed',
      'run began',
      'certificate issued',
      'job ended',
    ]);
    const wrong = await api.ask('GET', '/api/v1/audit?cursor=nonsense', tokens.auditor);
    expect(wrong).toMatchObject({ status: 422 });
  });
});

describe('lethe people forget', () => {
  it('asks, forgets, and leaves a pseudonym; the certificate stays readable', async () => {
    const wrong = await run(['people', 'forget', owner], tokens.operator, { typed: ['somebody else'] });
    expect(wrong).toMatchObject({ exit: EXIT.usage, text: expect.stringContaining('nobody was forgotten') });
    expect(await run(['people', 'forget', owner], tokens.operator)).toMatchObject({ exit: EXIT.usage });
    const done = await run(['people', 'forget', owner], tokens.operator, { typed: [owner] });
    expect(done).toMatchObject({ exit: EXIT.ok, text: expect.stringContaining('Forgotten') });
    const { body } = await api.ask('GET', `/api/v1/audit?job_id=${job}`, tokens.auditor);
    expect(body.people).toEqual({});
    expect(await run(['certificate', 'show', job], tokens.operator)).toMatchObject({ exit: EXIT.ok });
    expect(await run(['people', 'forget', owner, '--yes'], tokens.operator)).toMatchObject({
      exit: EXIT.failed,
      text: expect.stringContaining('user_unknown'),
    });
  });
});

describe('lethe keys', () => {
  it('makes one, retires the one before, and what that signed stays checkable', async () => {
    const keys = ['--directory', certificates.directory];
    const jws = (await api.records.certificateOf(job)).jws;
    const [before] = (await certificates.publicKeys()).keys;
    expect(await run(['keys', 'add', 'certificate', ...keys])).toMatchObject({ exit: EXIT.ok });
    expect(await run(['keys', 'retire', 'certificate', String(before?.kid), ...keys])).toMatchObject({
      exit: EXIT.ok,
    });
    const listed = JSON.parse((await run(['--json', 'keys', 'list', ...keys])).text);
    expect(listed.keys.filter(({ purpose }: { purpose: string }) => purpose === 'certificate')).toEqual([
      { purpose: 'certificate', kid: before?.kid, state: 'retired' },
      { purpose: 'certificate', kid: expect.any(String), state: 'signs' },
    ]);
    writeFileSync(at('old.jws'), jws);
    expect(await run(['certificate', 'verify', at('old.jws'), '--keys', keysUrl])).toMatchObject({
      exit: EXIT.ok,
    });
    expect(await run(['keys', 'add', 'anything', ...keys])).toMatchObject({ exit: EXIT.usage });
  });
});
