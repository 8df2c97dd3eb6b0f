/**
 * The one table of error codes: what a service, the API and the CLI answer, and whether repeating can help.
 * `docs/errors.md` explains each code for people; a test keeps the two in step.
 */

/**
 * What a caller does with an error:
 * `terminal` no repetition mends it; `retryable` the same request may succeed later;
 * `credentials` retried for some minutes only, since keys rotate.
 */
export type Retry = 'terminal' | 'retryable' | 'credentials';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly retry: Retry;
}

export const PROBLEMS = {
  // Requests
  malformed_request: { status: 400, title: 'The request cannot be read', retry: 'terminal' },
  unauthenticated: { status: 401, title: 'No valid token', retry: 'credentials' },
  approver_is_requester: { status: 403, title: 'Who asked cannot approve', retry: 'terminal' },
  forbidden: { status: 403, title: 'The token does not allow this', retry: 'terminal' },
  route_unknown: { status: 404, title: 'No such address', retry: 'terminal' },
  tenant_unknown: { status: 404, title: 'No such tenant', retry: 'terminal' },
  job_unknown: { status: 404, title: 'No such deletion job', retry: 'terminal' },
  certificate_unknown: { status: 404, title: 'There is no certificate of this job', retry: 'terminal' },
  hold_unknown: { status: 404, title: 'No such legal hold', retry: 'terminal' },
  user_unknown: { status: 404, title: 'No such user', retry: 'terminal' },
  body_too_large: { status: 413, title: 'The body is too large', retry: 'terminal' },
  validation_failed: { status: 422, title: 'A value is not allowed', retry: 'terminal' },
  option_unavailable: { status: 422, title: 'This option is not available', retry: 'terminal' },
  name_mismatch: { status: 422, title: "This is not the tenant's name", retry: 'terminal' },
  target_unsupported: { status: 422, title: 'This service cannot do that', retry: 'terminal' },
  rate_limited: { status: 429, title: 'Too many requests', retry: 'retryable' },
  keys_unavailable: {
    status: 503,
    title: 'The keys that tokens are checked with cannot be read',
    retry: 'retryable',
  },
  overloaded: { status: 503, title: 'The process is overloaded', retry: 'retryable' },
  internal: { status: 500, title: 'An unexpected fault', retry: 'retryable' },

  // Deletion jobs
  job_open: { status: 409, title: 'Another deletion of this tenant is open', retry: 'terminal' },
  preview_changed: { status: 409, title: 'The preview has changed', retry: 'terminal' },
  past_pivot: { status: 409, title: 'There is no way back any more', retry: 'terminal' },
  approval_stale: { status: 409, title: 'This is not what would be deleted by now', retry: 'terminal' },
  job_ended: { status: 409, title: 'The job has ended', retry: 'terminal' },
  not_replayable: { status: 409, title: 'The job has nothing to replay', retry: 'terminal' },
  already_erased: { status: 410, title: 'The tenant has been erased', retry: 'terminal' },
  legal_hold: { status: 423, title: 'A legal hold keeps this tenant', retry: 'terminal' },
  not_erased: { status: 409, title: 'The tenant has not been erased', retry: 'terminal' },
  release_open: { status: 409, title: 'A release of this tenant is under way', retry: 'terminal' },
  release_unknown: { status: 404, title: 'No such release', retry: 'terminal' },
  service_unknown: { status: 404, title: 'No such service', retry: 'terminal' },
  list_refused: { status: 422, title: 'The list cannot be trusted', retry: 'terminal' },
  not_verified: { status: 409, title: 'The job is not verified', retry: 'terminal' },
  signing_key_missing: { status: 503, title: 'There is no key to sign with', retry: 'terminal' },
  export_unknown: { status: 404, title: 'There is no export of this job', retry: 'terminal' },
  export_gone: { status: 410, title: 'The export is not kept any more', retry: 'terminal' },
  export_failed: { status: 409, title: 'The export could not be written', retry: 'terminal' },
  export_differs: {
    status: 409,
    title: 'What was exported is not what was archived',
    retry: 'terminal',
  },
  waiver_unknown: { status: 404, title: 'No such waiver', retry: 'terminal' },
  waiver_used: { status: 409, title: 'A job has gone on by this waiver', retry: 'terminal' },
  receiver_not_ready: {
    status: 409,
    title: 'A receiver that has to agree first did not',
    retry: 'terminal',
  },
  records_unavailable: { status: 503, title: 'The records cannot be reached', retry: 'retryable' },
  service_unavailable: { status: 503, title: 'A service cannot be reached', retry: 'retryable' },
  service_invalid_answer: { status: 502, title: 'A service gave an invalid answer', retry: 'retryable' },

  // Tenants and members
  deletion_open: { status: 409, title: 'A deletion of this tenant is open', retry: 'terminal' },
  not_a_member: { status: 409, title: 'The user is not a member of this tenant', retry: 'terminal' },
  sole_owner: { status: 409, title: 'The user is the only owner of a tenant', retry: 'terminal' },

  // A participant's deletion
  plan_refused: { status: 409, title: 'The plan cannot be carried out', retry: 'terminal' },
  plan_drift: { status: 409, title: 'The plan has changed since it was shown', retry: 'terminal' },
  privilege_missing: { status: 409, title: 'The database role lacks a privilege', retry: 'terminal' },
  reference_conflict: {
    status: 409,
    title: "Another tenant's row refers to a row to be deleted",
    retry: 'terminal',
  },
  state_conflict: { status: 409, title: 'The deletion is in a state that excludes this', retry: 'terminal' },
  other_job_open: { status: 409, title: 'Another job of this tenant is open here', retry: 'retryable' },
  restore_conflict: { status: 409, title: 'The rows cannot be put back as they were', retry: 'terminal' },
  move_not_exact: { status: 409, title: 'Archived and deleted rows differ', retry: 'terminal' },
  database_error: { status: 409, title: 'The database refused a statement', retry: 'terminal' },
  database_busy: { status: 503, title: 'The database could not do it now', retry: 'retryable' },
  database_unavailable: { status: 503, title: 'The database cannot be reached', retry: 'retryable' },
} as const satisfies Record<string, ProblemKind>;

/** A stable error code; see `docs/errors.md`. */
export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

/** Further members of a problem that help a program or a person to act on it. */
export interface ProblemExtras {
  /** Paths of the fields at fault and what is wrong with each. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
  /** The service that the problem comes from. */
  readonly service?: string;
  readonly table?: string;
  readonly privilege?: string;
  /** PostgreSQL's five-character error code. */
  readonly sqlstate?: string;
  /** The state that excludes the request. */
  readonly state?: string;
  readonly job_id?: string;
  readonly tenant_ids?: readonly string[];
}

/**
 * A refusal with a stable code. Thrown on both sides of the wire: a server turns it into a problem document,
 * a client turns a problem document back into it.
 */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly code: ProblemCode,
    /** What happened, to what, and what to do next. Nothing secret, nothing personal. */
    readonly detail: string,
    readonly extras: ProblemExtras = {},
    /** When to come back, in seconds (the header `Retry-After`). */
    readonly retryAfterSeconds?: number,
  ) {
    super(detail);
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  get retry(): Retry {
    return PROBLEMS[this.code].retry;
  }
}
