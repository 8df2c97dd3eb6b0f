/** Problems to and from their documents (RFC 9457); knows no web framework. */
import { type ProblemDocument, problemDocument } from './common.js';
import { PROBLEMS, Problem, type ProblemCode, type ProblemExtras } from './problems.js';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';
/** Each code has its section in `docs/errors.md`; the type is a URN, since deployments have no common host. */
const TYPE_PREFIX = 'urn:lethe:problem:';
const LONGEST_DETAIL = 2_000;
const MOST_UNKNOWN_FIELDS = 20;
const LONGEST_RETRY_AFTER_SECONDS = 3_600;

/** The document that a server answers with. `instance` is the request's id. */
export function toProblemDocument(problem: Problem, instance?: string): ProblemDocument {
  const { title, status } = PROBLEMS[problem.code];
  const { errors, tenant_ids, ...extras } = problem.extras;
  return {
    type: `${TYPE_PREFIX}${problem.code}`,
    title,
    status,
    code: problem.code,
    detail: problem.detail,
    ...(instance !== undefined && { instance }),
    ...extras,
    ...(errors && { errors: errors.map((error) => ({ ...error })) }),
    ...(tenant_ids && { tenant_ids: [...tenant_ids] }),
  };
}

/** What a web framework may throw, as far as it matters here. */
interface FrameworkError {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly validation?: readonly {
    readonly instancePath?: string;
    readonly message?: string;
    readonly params?: { readonly keys?: unknown };
  }[];
  readonly validationContext?: string;
}

/**
 * Any error as a problem: one of ours stays as it is, a framework's complaint about the request gets its code,
 * everything else is `internal`, its message kept out of the answer (it belongs in the log).
 */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, statusCode, validation, validationContext } = (error ?? {}) as FrameworkError;
  if (validation) {
    const errors = validation.flatMap(({ instancePath, message, params }) => {
      const place = [validationContext ?? 'request', ...(instancePath ?? '').split('/').filter(Boolean)];
      // Fields that nobody knows are reported at the object that has them.
      if (Array.isArray(params?.keys) && params.keys.length > 0) {
        const unknown = params.keys.slice(0, MOST_UNKNOWN_FIELDS);
        return unknown.map((key) => ({
          path: [...place, String(key)].join('.'),
          message: 'is not a known field',
        }));
      }
      return [{ path: place.join('.'), message: message ?? 'is not allowed' }];
    });
    const paths = errors.map((one) => one.path).join(', ');
    return new Problem('validation_failed', `Not allowed: ${paths}.`.slice(0, LONGEST_DETAIL), { errors });
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || statusCode === 413) {
    return new Problem('body_too_large', 'The body is larger than this server takes.');
  }
  if (statusCode === 429) return new Problem('rate_limited', 'Too many requests; wait a little.');
  if (statusCode === 503)
    return new Problem('overloaded', 'The process has too much to do; try again.', {}, 2);
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new Problem('malformed_request', 'The request cannot be read; it should be JSON in UTF-8.');
  }
  const problem = new Problem(
    'internal',
    'An unexpected fault; the log has it under the id of this request.',
  );
  problem.cause = error;
  return problem;
}

/** What is known of an answer that is no success. The body is untrusted. */
export interface FailedAnswer {
  readonly service: string;
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Parsed JSON, or undefined where it was none. */
  readonly body: unknown;
}

/** Turns a failed answer into a problem: by its code where that is one of ours, by its status elsewhere. */
export function fromFailedAnswer({ service, status, retryAfter, body }: FailedAnswer): Problem {
  const retryAfterSeconds = parseRetryAfter(retryAfter);
  const parsed = problemDocument.safeParse(body);
  if (!parsed.success) {
    return new Problem(
      codeOfStatus(status),
      `${service} answered ${status}.`,
      { service },
      retryAfterSeconds,
    );
  }
  const code = isProblemCode(parsed.data.code) ? parsed.data.code : codeOfStatus(status);
  const { detail, title } = parsed.data;
  return new Problem(code, cut(detail ?? title), { ...extrasOf(parsed.data), service }, retryAfterSeconds);
}

function extrasOf(document: ProblemDocument): ProblemExtras {
  const { errors, table, privilege, sqlstate, state, job_id, tenant_ids } = document;
  return {
    ...(errors && {
      errors: errors.slice(0, 100).map((e) => ({ path: cut(e.path), message: cut(e.message) })),
    }),
    ...(table !== undefined && { table: cut(table) }),
    ...(privilege !== undefined && { privilege: cut(privilege) }),
    ...(sqlstate !== undefined && { sqlstate: cut(sqlstate) }),
    ...(state !== undefined && { state: cut(state) }),
    ...(job_id !== undefined && { job_id: cut(job_id) }),
    ...(tenant_ids && { tenant_ids: tenant_ids.slice(0, 1_000).map(cut) }),
  };
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** A participant that does not speak problem documents is understood by its status. */
function codeOfStatus(status: number): ProblemCode {
  if (status < 400) return 'service_invalid_answer';
  switch (status) {
    case 400:
      return 'malformed_request';
    case 401:
      return 'unauthenticated';
    case 403:
      return 'forbidden';
    case 404:
    case 405:
    case 501:
      return 'route_unknown';
    case 408:
    case 502:
    case 503:
    case 504:
      return 'service_unavailable';
    case 409:
    case 423:
      return 'state_conflict';
    case 410:
      return 'already_erased';
    case 413:
      return 'body_too_large';
    case 425:
    case 429:
      return 'rate_limited';
    default:
      return status < 500 ? 'validation_failed' : 'internal';
  }
}

function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  if (!Number.isFinite(seconds)) return undefined;
  return Math.min(Math.max(Math.ceil(seconds), 0), LONGEST_RETRY_AFTER_SECONDS);
}

function cut(text: string): string {
  return text.length <= LONGEST_DETAIL ? text : `${text.slice(0, LONGEST_DETAIL - 1)}…`;
}
