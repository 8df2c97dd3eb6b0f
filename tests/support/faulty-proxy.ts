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

type Decide = (request: ProxiedRequest) => Fault | null | Promise<Fault | null>;

export interface FaultyProxy {
  readonly url: string;
  /** Decides for each request; null lets it through. */
  fault: Decide | null;
  /** Keeps the requests that match until they are released. */
  hold(matches: (request: ProxiedRequest) => boolean): Held;
  /** Every request so far. */
  readonly seen: ProxiedRequest[];
  close(): Promise<void>;
}

export interface Held {
  /** The first request is here. */
  readonly reached: Promise<void>;
  release(): void;
}

export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const proxy: { fault: Decide | null } = { fault: null };
  const holds = new Set<{
    matches: (request: ProxiedRequest) => boolean;
    here: () => void;
    gone: Promise<void>;
  }>();
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
    for (const held of holds) {
      if (!held.matches(asked)) continue;
      held.here();
      await held.gone;
    }
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
      response.setHeader('content-type', 'application/problem+json');
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      response.writeHead(fault.status).end(JSON.stringify(problem));
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
    hold(matches) {
      let here: () => void = () => undefined;
      let release: () => void = () => undefined;
      const reached = new Promise<void>((resolve) => {
        here = resolve;
      });
      const gone = new Promise<void>((resolve) => {
        release = resolve;
      });
      const held = { matches, here, gone };
      holds.add(held);
      return {
        reached,
        release: () => {
          holds.delete(held);
          release();
        },
      };
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
