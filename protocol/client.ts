/** The typed client of one service. What a service answers is untrusted: validated, and limited in size and time. */
import { Agent, type Dispatcher } from 'undici';
import {
  CALLS,
  type CallAnswer,
  type CallBody,
  type CallName,
  type CallParams,
  type CallQuery,
  EXPORT_PATH,
  RETAINED_EXPORT_PATH,
  subjectOf,
} from './calls.js';
import { type ReadAnswer, readAnswer } from './http-answer.js';
import { fromFailedAnswer } from './problem-document.js';
import { Problem } from './problems.js';
import type { RegistryEntry } from './registry.js';
import type { ServiceTokenRequest } from './tokens.js';

export interface ClientLimits {
  /** Time of a call that names none of its own. */
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly connections: number;
}

const DEFAULT_LIMITS: ClientLimits = {
  timeoutMs: 15_000,
  connectTimeoutMs: 5_000,
  maxAnswerBytes: 8 * 1024 * 1024,
  connections: 32,
};

export interface ServiceClientOptions {
  readonly service: RegistryEntry;
  /** Gives the token of one call; may refuse, where the decision does not allow the action. */
  readonly tokenFor: (request: ServiceTokenRequest) => Promise<string>;
  readonly limits?: Partial<ClientLimits>;
}

export interface CallParts<N extends CallName> {
  readonly params: CallParams<N>;
  readonly query?: CallQuery<N>;
  readonly body?: CallBody<N>;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  /** Its reason is thrown as it is. */
  readonly signal?: AbortSignal;
  /** Sent as `x-request-id`, so that both logs can be read together. */
  readonly requestId?: string;
  /** What the token says beyond what the request says. */
  readonly token?: { readonly jobId?: string; readonly supersedesJobId?: string };
}

export interface ServiceClient {
  readonly service: RegistryEntry;
  /** Calls the service; every failure but the caller's own abort is a `Problem`. */
  call<N extends CallName>(name: N, parts: CallParts<N>, options?: CallOptions): Promise<CallAnswer<N>>;
  /**
   * The tenant's rows as NDJSON, live or out of a job's archive, as they come. `timeoutMs` is the longest pause between
   * two parts. Ends in a `Problem` where the service breaks off.
   */
  exportRows(
    subject: { readonly tenantId: string; readonly jobId: string | null },
    options?: Pick<CallOptions, 'timeoutMs' | 'signal' | 'requestId'>,
  ): AsyncGenerator<Uint8Array>;
  /** What the service retains, of one tenant or of all, likewise. */
  exportRetained(
    tenantId: string | null,
    options?: Pick<CallOptions, 'timeoutMs' | 'signal' | 'requestId'>,
  ): AsyncGenerator<Uint8Array>;
  /** Asks `/readyz`; throws `service_unavailable` where it is not ready. */
  ready(options?: Pick<CallOptions, 'timeoutMs' | 'signal'>): Promise<void>;
  close(): Promise<void>;
}

/** A client that keeps its connections; its URL is the registry's and no other. */
export function createServiceClient({
  service,
  tokenFor,
  limits: given,
}: ServiceClientOptions): ServiceClient {
  const limits = { ...DEFAULT_LIMITS, ...given };
  // Times are limited per call; the agent's own limits would cut transactions that cannot be cut.
  const agent = new Agent({
    connections: limits.connections,
    connect: { timeout: limits.connectTimeoutMs },
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  const send = async (request: HttpRequest, options: CallOptions = {}): Promise<ReadAnswer> => {
    const timeoutMs = options.timeoutMs ?? limits.timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    try {
      const answer = await agent.request({ ...request, origin: new URL(service.url).origin, signal });
      return await readAnswer(answer, limits.maxAnswerBytes);
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (error instanceof Problem)
        throw new Problem(error.code, `${service.name}: ${error.detail}`, { service: service.name });
      const what = timeout.aborted
        ? `did not answer within ${timeoutMs} ms`
        : `cannot be reached (${reasonOf(error)})`;
      throw new Problem('service_unavailable', `${service.name} ${what}.`, { service: service.name });
    }
  };

  async function* stream(
    path: string,
    token: string,
    options: Pick<CallOptions, 'timeoutMs' | 'signal' | 'requestId'>,
  ): AsyncGenerator<Uint8Array> {
    const idle = options.timeoutMs ?? limits.timeoutMs;
    try {
      const answer = await agent.request({
        origin: new URL(service.url).origin,
        method: 'GET',
        path: pathOf(service, path),
        headers: headersOf(token, { ...options, accept: 'application/x-ndjson, application/problem+json' }),
        headersTimeout: idle,
        bodyTimeout: idle,
        ...(options.signal && { signal: options.signal }),
      });
      if (answer.statusCode !== 200) {
        const refusal = await readAnswer(answer, limits.maxAnswerBytes);
        throw fromFailedAnswer({ service: service.name, ...refusal });
      }
      // Whoever stops reading lets the connection go.
      yield* answer.body as AsyncIterable<Uint8Array>;
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (error instanceof Problem) throw error;
      const what = `broke off its export (${reasonOf(error)})`;
      throw new Problem('service_unavailable', `${service.name} ${what}.`, { service: service.name });
    }
  }

  return {
    service,
    async call(name, parts, options = {}) {
      const { tenantId, jobId, userId, action } = subjectOf(name, parts);
      const token = await tokenFor({
        audience: service.name,
        action,
        tenantId: tenantId ?? undefined,
        jobId: jobId ?? options.token?.jobId,
        subject: userId ?? undefined,
        supersedesJobId: options.token?.supersedesJobId,
      });
      const answer = await send(requestOf(service, name, parts, token, options), options);
      if (answer.status !== 200 && answer.status !== 202) {
        throw fromFailedAnswer({ service: service.name, ...answer });
      }
      return validated(service, name, parts, answer);
    },
    async *exportRows({ tenantId, jobId }, options = {}) {
      const token = await tokenFor({
        audience: service.name,
        action: 'export',
        tenantId,
        jobId: jobId ?? undefined,
      });
      const search = jobId === null ? '' : `?${new URLSearchParams({ job_id: jobId })}`;
      const path = EXPORT_PATH.replace(':tenant_id', encodeURIComponent(tenantId));
      yield* stream(`${path}${search}`, token, options);
    },
    async *exportRetained(tenantId, options = {}) {
      const token = await tokenFor({ audience: service.name, action: 'retained' });
      const search = tenantId === null ? '' : `?${new URLSearchParams({ tenant_id: tenantId })}`;
      yield* stream(`${RETAINED_EXPORT_PATH}${search}`, token, options);
    },
    async ready(options) {
      const path = pathOf(service, '/readyz');
      const answer = await send({ method: 'GET', path, headers: { accept: 'application/json' } }, options);
      if (answer.status === 200) return;
      throw new Problem('service_unavailable', `${service.name} is not ready (${answer.status}).`, {
        service: service.name,
      });
    },
    close: () => agent.close(),
  };
}

type HttpRequest = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'headers' | 'body'>;

function requestOf<N extends CallName>(
  service: RegistryEntry,
  name: N,
  parts: CallParts<N>,
  token: string,
  options: CallOptions,
): HttpRequest {
  const { method, path: template } = CALLS[name];
  const params = parts.params as Readonly<Record<string, string>>;
  const path = template.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
  const query = Object.entries((parts.query ?? {}) as Record<string, string | undefined>).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const search = query.length > 0 ? `?${new URLSearchParams(query)}` : '';
  const hasBody = parts.body !== undefined && parts.body !== null;
  return {
    method,
    path: `${pathOf(service, path)}${search}`,
    headers: {
      ...headersOf(token, { ...options, accept: 'application/json, application/problem+json' }),
      ...(hasBody && { 'content-type': 'application/json' }),
    },
    ...(hasBody && { body: JSON.stringify(parts.body) }),
  };
}

function headersOf(
  token: string,
  { accept, requestId }: { readonly accept: string; readonly requestId?: string },
): Record<string, string> {
  return {
    accept,
    authorization: `Bearer ${token}`,
    ...(requestId !== undefined && { 'x-request-id': requestId }),
  };
}

/** The registry's URL may have a path in front. */
function pathOf(service: RegistryEntry, path: string): string {
  return `${new URL(service.url).pathname.replace(/\/$/, '')}${path}`;
}

function validated<N extends CallName>(
  service: RegistryEntry,
  name: N,
  parts: CallParts<N>,
  answer: ReadAnswer,
): CallAnswer<N> {
  const invalid = (why: string) =>
    new Problem('service_invalid_answer', `${service.name} answered ${name} with ${why}.`, {
      service: service.name,
    });
  if (answer.body === undefined) throw invalid('something that is no JSON');
  const parsed = CALLS[name].answer.safeParse(answer.body);
  if (!parsed.success) {
    const paths = parsed.error.issues.slice(0, 5).map((issue) => issue.path.join('.') || issue.code);
    throw invalid(`JSON that does not fit the protocol, at ${paths.join(', ')}`);
  }
  const body = parsed.data as Readonly<Record<string, unknown>>;
  const { tenantId, jobId, userId, action } = subjectOf(name, parts);
  const expected = { tenant_id: tenantId, job_id: jobId, user_id: userId, service_name: service.name };
  for (const [member, value] of Object.entries(expected)) {
    if (value !== null && member in body && body[member] !== value) throw invalid(`another ${member}`);
  }
  if (name === 'advance' && (answer.status === 200) !== (body.state === action)) {
    throw invalid(`status ${answer.status} and state ${String(body.state)}`);
  }
  return parsed.data as CallAnswer<N>;
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}
