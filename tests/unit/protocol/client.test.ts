import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createServiceClient, type ServiceClient } from '../../../protocol/client.js';
import type { ServiceTokenRequest } from '../../../protocol/tokens.js';

const TENANT = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a01';
const JOB = '01980000-0000-7000-8000-000000000001';

const open: { server: Server; client: ServiceClient }[] = [];
afterEach(async () => {
  for (const { server, client } of open.splice(0)) {
    server.closeAllConnections();
    await Promise.all([client.close().catch(() => undefined), new Promise((done) => server.close(done))]);
  }
});

/** A client of a service that answers as the test says. */
async function against(answer: RequestListener, limits = {}) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const tokens: ServiceTokenRequest[] = [];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/behind/a/path/`;
  const client = createServiceClient({
    service: { name: 'orders', url, role: 'participant' },
    tokenFor: async (request) => {
      tokens.push(request);
      return 'the-token';
    },
    limits,
  });
  open.push({ server, client });
  return { client, tokens };
}

const json =
  (body: unknown, status = 200, headers = {}): RequestListener =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const status = {
  tenant_id: TENANT,
  job_id: JOB,
  service_name: 'orders',
  state: 'staged',
  plan_hash: null,
  tables: [],
  rows_done: 0,
  rows_total: null,
  waiting_for: null,
  staged_at: null,
  restored_at: null,
  purged_at: null,
  restorable: null,
};
const stage = { params: { tenant_id: TENANT, job_id: JOB }, body: { target: 'staged' as const } };

describe('the client', () => {
  it('asks for a token of exactly this request, and sends it', async () => {
    const seen: unknown[] = [];
    const { client, tokens } = await against((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        seen.push(
          request.method,
          request.url,
          request.headers.authorization,
          Buffer.concat(parts).toString(),
        );
        json(status)(request, response);
      });
    });
    expect(await client.call('advance', stage, { token: { supersedesJobId: 'x' } })).toEqual(status);
    expect(seen).toEqual([
      'PUT',
      `/behind/a/path/tenant/${TENANT}/deletions/${JOB}`,
      'Bearer the-token',
      '{"target":"staged"}',
    ]);
    expect(tokens).toEqual([
      { audience: 'orders', action: 'staged', tenantId: TENANT, jobId: JOB, supersedesJobId: 'x' },
    ]);
  });

  it('encodes a key that would leave its place in the path', async () => {
    let asked = '';
    const { client } = await against((request, response) => {
      asked = request.url ?? '';
      json({}, 500)(request, response);
    });
    await client.call('preview', { params: { tenant_id: 'a/../b?c#d' } }).catch(() => undefined);
    expect(asked).toBe('/behind/a/path/tenant/a%2F..%2Fb%3Fc%23d/deletion-preview');
  });

  it('does not send the token after a redirect', async () => {
    let elsewhere = 0;
    const { client: other } = await against((_, response) => {
      elsewhere += 1;
      response.end();
    });
    const { client } = await against((_, response) =>
      response.writeHead(307, { location: other.service.url }).end(),
    );
    await expect(client.call('advance', stage)).rejects.toMatchObject({
      code: 'service_invalid_answer',
      retry: 'retryable',
    });
    expect(elsewhere).toBe(0);
  });

  it.each<[string, RequestListener]>([
    [
      'no JSON',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>'),
    ],
    [
      'broken JSON',
      (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'),
    ],
    ['nothing', (_, response) => response.writeHead(204).end()],
    ['JSON of another form', json({ hello: 'world' })],
    ['a member that nobody knows', json({ ...status, extra: true })],
    ["another tenant's answer", json({ ...status, tenant_id: 'another' })],
    ["another job's answer", json({ ...status, job_id: '01980000-0000-7000-8000-000000000002' })],
    ["another service's answer", json({ ...status, service_name: 'inventory' })],
    ['success in another state', json({ ...status, state: 'staging' })],
    ['progress in the state wanted', json(status, 202)],
    ['rows below zero', json({ ...status, rows_done: -1 })],
  ])('refuses %s', async (_, answer) => {
    const { client } = await against(answer);
    await expect(client.call('advance', stage)).rejects.toMatchObject({
      name: 'Problem',
      code: 'service_invalid_answer',
      extras: { service: 'orders' },
    });
  });

  it('does not read a body without end', async () => {
    let written = 0;
    const { client } = await against(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = () => {
          while (!response.destroyed && response.write('x'.repeat(65_536))) written += 65_536;
        };
        response.on('drain', more);
        more();
      },
      { maxAnswerBytes: 1_000_000 },
    );
    await expect(client.call('advance', stage)).rejects.toMatchObject({
      code: 'service_invalid_answer',
      detail: expect.stringContaining('larger than 1000000 bytes'),
    });
    expect(written).toBeLessThan(100_000_000);
  });

  it.each<[string, RequestListener]>([
    ['never answers', () => undefined],
    [
      'sends one byte and no more',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{');
      },
    ],
  ])('gives up on a service that %s', async (_, answer) => {
    const { client } = await against(answer);
    await expect(client.call('advance', stage, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'service_unavailable',
      detail: 'orders did not answer within 100 ms.',
    });
  });

  it('names a service that cannot be reached, and one that hangs up', async () => {
    const { client } = await against((request) => request.socket.destroy());
    await expect(client.call('advance', stage)).rejects.toMatchObject({ code: 'service_unavailable' });
    const nobody = createServiceClient({
      service: { name: 'orders', url: 'http://127.0.0.1:9', role: 'participant' },
      tokenFor: async () => 'token',
    });
    await expect(nobody.call('advance', stage)).rejects.toMatchObject({
      code: 'service_unavailable',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
    await nobody.close();
  });

  it("lets the caller's own abort through as it is", async () => {
    const { client } = await against(() => undefined);
    const why = new Error('cancelled');
    const controller = new AbortController();
    setTimeout(() => controller.abort(why), 20);
    await expect(client.call('advance', stage, { signal: controller.signal })).rejects.toBe(why);
  });

  it('turns a problem document back into the problem', async () => {
    const { client } = await against(
      json(
        {
          type: 'urn:lethe:problem:privilege_missing',
          title: 'x',
          status: 409,
          code: 'privilege_missing',
          detail: 'orders.orders: DELETE',
          table: 'orders.orders',
          privilege: 'DELETE',
          service: 'somebody else',
        },
        409,
      ),
    );
    await expect(client.call('advance', stage)).rejects.toMatchObject({
      code: 'privilege_missing',
      retry: 'terminal',
      extras: { table: 'orders.orders', privilege: 'DELETE', service: 'orders' },
    });
  });

  it.each([
    [401, 'unauthenticated', 'credentials'],
    [403, 'forbidden', 'terminal'],
    [404, 'route_unknown', 'terminal'],
    [405, 'route_unknown', 'terminal'],
    [409, 'state_conflict', 'terminal'],
    [429, 'rate_limited', 'retryable'],
    [500, 'internal', 'retryable'],
    [503, 'service_unavailable', 'retryable'],
  ])('understands a bare %i as %s', async (code, expected, retry) => {
    const { client } = await against((_, response) => response.writeHead(code).end('oops'));
    await expect(client.call('advance', stage)).rejects.toMatchObject({ code: expected, retry });
  });

  it('understands a code that it does not know by the status', async () => {
    const { client } = await against(
      json({ type: 'about:blank', title: 'x', status: 503, code: 'constructor' }, 503),
    );
    await expect(client.call('advance', stage)).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  it.each([
    ['7', 7],
    ['999999999', 3_600],
    ['soon', undefined],
  ])('honours Retry-After: %s', async (header, seconds) => {
    const { client } = await against(json({}, 503, { 'retry-after': header }));
    await expect(client.call('advance', stage)).rejects.toMatchObject({ retryAfterSeconds: seconds });
  });

  it('honours Retry-After where it is a date', async () => {
    const date = new Date(Date.now() + 1_800_000).toUTCString();
    const { client } = await against(json({}, 503, { 'retry-after': date }));
    const error = await client.call('advance', stage).catch((caught: unknown) => caught);
    const seconds = (error as { retryAfterSeconds?: number }).retryAfterSeconds;
    expect(seconds).toBeGreaterThan(1_700);
    expect(seconds).toBeLessThanOrEqual(1_800);
  });
});

describe("the client's export", () => {
  const subject = { tenantId: TENANT, jobId: JOB };
  const read = async (rows: AsyncIterable<Uint8Array>) => {
    let text = '';
    for await (const part of rows) text += Buffer.from(part).toString();
    return text;
  };

  it('asks for this job with a token for it alone, and hands on what comes', async () => {
    const seen: unknown[] = [];
    const { client, tokens } = await against((request, response) => {
      seen.push(request.method, request.url, request.headers.authorization);
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write('{"table":');
      setTimeout(() => response.end('"a.b","row":{}}\n'), 20);
    });
    expect(await read(client.exportRows(subject))).toBe('{"table":"a.b","row":{}}\n');
    expect(seen).toEqual(['GET', `/behind/a/path/tenant/${TENANT}/export?job_id=${JOB}`, 'Bearer the-token']);
    expect(tokens).toEqual([{ audience: 'orders', action: 'export', tenantId: TENANT, jobId: JOB }]);
  });

  it.each<[string, RequestListener, string]>([
    [
      'a refusal',
      json({ code: 'state_conflict', title: 'x', type: 'x', status: 409 }, 409),
      'state_conflict',
    ],
    ['no such address', (_, response) => response.writeHead(404).end(), 'route_unknown'],
    [
      'an end in the middle',
      (_, response) => {
        response.writeHead(200).write('{"table":');
        setTimeout(() => response.destroy(), 20);
      },
      'service_unavailable',
    ],
    ['silence', (_, response) => void response.writeHead(200).write('{"table":'), 'service_unavailable'],
    ['no answer at all', () => undefined, 'service_unavailable'],
  ])('ends in a problem for %s', async (_, answer, code) => {
    const { client } = await against(answer);
    await expect(read(client.exportRows(subject, { timeoutMs: 1_000 }))).rejects.toMatchObject({ code });
  });

  it('stops when its caller does', async () => {
    const { client } = await against((_, response) => void response.writeHead(200).write('{}\n'));
    const caller = new AbortController();
    const reading = read(client.exportRows(subject, { signal: caller.signal }));
    const reason = new Error('called off');
    setTimeout(() => caller.abort(reason), 50);
    await expect(reading).rejects.toBe(reason);
  });
});
