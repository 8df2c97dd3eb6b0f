/** Stands between the platform and a participant, and does what networks and services do on bad days. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  /** `staged`, `restored`, `purged` of a PUT. */
  readonly target: string | null;
  readonly jobId: string | null;
}

/** What happens to a request instead of an answer; after `lost` it was carried out all the same. */
export type Fault =
  | 'down'
  | 'hang'
  | 'garbage'
  | 'lost'
  | { readonly status: number; readonly code?: string; readonly retryAfter?: number };

export interface FaultyProxy {
  readonly url: string;
  /** Decides for each request; null lets it through. May be a promise, by which a test holds a request. */
  fault: ((request: ProxiedRequest) => Fault | null | Promise<Fault | null>) | null;
  /** Every request so far. */
  readonly seen: ProxiedRequest[];
  close(): Promise<void>;
}

export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const proxy: { fault: FaultyProxy['fault'] } = { fault: null };
  const seen: ProxiedRequest[] = [];
  const server = createServer((request, response) => {
    void handle(request, response).catch(() => response.destroy());
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const asked = read(request, body);
    seen.push(asked);
    const fault = (await proxy.fault?.(asked)) ?? null;
    if (fault === 'hang') return;
    if (fault === 'down') {
      request.socket.destroy();
      return;
    }
    if (fault === 'garbage') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>It works!</html>');
      return;
    }
    if (fault !== null && fault !== 'lost') {
      const problem = { type: 'about:blank', title: 'Fault', status: fault.status, code: fault.code ?? 'x' };
      response
        .writeHead(fault.status, {
          'content-type': 'application/problem+json',
          ...(fault.retryAfter !== undefined && { 'retry-after': fault.retryAfter }),
        })
        .end(JSON.stringify(problem));
      return;
    }
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method ?? 'GET',
      headers: headersOf(request),
      body: body.length > 0 ? body.toString('utf8') : null,
    });
    const text = await answer.text();
    if (fault === 'lost') {
      request.socket.destroy();
      return;
    }
    response
      .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' })
      .end(text);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    get fault() {
      return proxy.fault;
    },
    set fault(fault) {
      proxy.fault = fault;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function read(request: IncomingMessage, body: Buffer): ProxiedRequest {
  const url = new URL(request.url ?? '/', 'http://here');
  let parsed: { target?: unknown; job_id?: unknown } = {};
  try {
    parsed = JSON.parse(body.toString('utf8')) as typeof parsed;
  } catch {
    // Not every request has a body.
  }
  const fromPath = /\/deletions\/([^/]+)$/.exec(url.pathname)?.[1];
  return {
    method: request.method ?? '',
    path: url.pathname,
    target: typeof parsed.target === 'string' ? parsed.target : null,
    jobId: fromPath ?? url.searchParams.get('job_id'),
  };
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const { authorization, 'content-type': type, 'x-request-id': id } = request.headers;
  return {
    ...(authorization !== undefined && { authorization }),
    ...(type !== undefined && { 'content-type': type }),
    ...(typeof id === 'string' && { 'x-request-id': id }),
  };
}
