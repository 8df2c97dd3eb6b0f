/** Calls the platform's API: one place for address, token, time limit and errors. */
import { Agent, request } from 'undici';
import { z } from 'zod';
import { problemDocument } from '../protocol/common.js';

/** An answer other than 2xx. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly document: unknown,
  ) {
    super(detail);
  }
}

/** No answer at all. */
export class ApiUnreachable extends Error {
  override readonly name = 'ApiUnreachable';
  constructor(apiUrl: string, cause: unknown) {
    const { code } = cause as { code?: unknown };
    const reason = typeof code === 'string' ? code : cause instanceof Error ? cause.message : String(cause);
    super(
      `The API at ${apiUrl} does not answer (${reason}).\nIs it running? In a clone: npm start. Elsewhere say where it is: API_URL or --api-url.`,
      { cause },
    );
  }
}

/** The command was given something that cannot be right, found before anything was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface ApiClient {
  readonly apiUrl: string;
  /** Throws `ApiRefusal` for an error answer and `ApiUnreachable` where there is none. */
  call<S extends z.ZodType>(
    answer: S,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<z.output<S>>;
  /** The bytes of an answer, as they come. Throws as `call` does. */
  download(path: string, accept: string): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

const TIME_LIMIT_MS = 30_000;

export function createApiClient(options: {
  readonly apiUrl: string;
  readonly token: string | undefined;
}): ApiClient {
  const agent = new Agent({
    keepAliveTimeout: 10_000,
    headersTimeout: TIME_LIMIT_MS,
    bodyTimeout: TIME_LIMIT_MS,
  });
  const base = options.apiUrl.replace(/\/+$/, '');
  const token = options.token?.trim() || undefined;
  if (token !== undefined && !/^[\w.~+/=-]+$/.test(token)) {
    throw new UsageError('The token has characters that no token has; LETHE_TOKEN should hold one token.');
  }
  if (!URL.canParse(base) || !/^https?:/.test(base)) {
    throw new UsageError(`${base} is no address of an API; it should be like http://127.0.0.1:8080.`);
  }

  async function send(method: 'GET' | 'POST' | 'DELETE', path: string, body: unknown) {
    try {
      const response = await request(`${base}${path}`, {
        method,
        dispatcher: agent,
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.statusCode, text: await response.body.text() };
    } catch (error) {
      throw new ApiUnreachable(base, error);
    }
  }

  return {
    apiUrl: base,
    async download(path, accept) {
      const response = await request(`${base}${path}`, {
        method: 'GET',
        dispatcher: agent,
        headers: { accept, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      }).catch((error: unknown) => {
        throw new ApiUnreachable(base, error);
      });
      if (response.statusCode >= 300) throw refusalOf(response.statusCode, await response.body.text());
      return response.body;
    },
    async call(answer, method, path, body) {
      const { status, text } = await send(method, path, body);
      if (status >= 300) throw refusalOf(status, text);
      const document = parse(text);
      const parsed = answer.safeParse(document);
      if (!parsed.success) {
        const faults = z.prettifyError(parsed.error);
        throw new ApiRefusal(
          status,
          'invalid_answer',
          `The API's answer is not understood: ${faults}`,
          document,
        );
      }
      return parsed.data;
    },
    close: () => agent.close(),
  };
}

function refusalOf(status: number, text: string): ApiRefusal {
  const document = parse(text);
  const problem = problemDocument.safeParse(document);
  if (!problem.success)
    return new ApiRefusal(status, 'unknown', `The API answered ${status}.`, document ?? text);
  const { code, detail, title, errors } = problem.data;
  const fields = (errors ?? []).map((error) => `${error.path}: ${error.message}`);
  return new ApiRefusal(status, code, [detail ?? title, ...fields].join('\n  '), document);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
