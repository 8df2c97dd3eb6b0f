/** What the HTTP side needs of whoever carries deletions out: the engine over a database, or the tenant directory. */
import type { z } from 'zod';
import type { CALLS, CallAnswer, CallName, CallParams } from '../../protocol/calls.js';
import type { ServiceTokenClaims } from '../../protocol/tokens.js';

type Parsed<S> = S extends z.ZodType ? z.output<S> : null;

/** A request that was validated, and whose token allows it. */
export interface ValidRequest<N extends CallName> {
  readonly params: CallParams<N>;
  readonly query: Parsed<(typeof CALLS)[N]['query']>;
  readonly body: Parsed<(typeof CALLS)[N]['body']>;
  readonly claims: ServiceTokenClaims;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

export type CallHandler<N extends CallName> = (request: ValidRequest<N>) => Promise<CallAnswer<N>>;

/** The calls that a service answers; one that is missing is 404. */
export interface Participant {
  /** As in the registry, and as tokens name it. */
  readonly name: string;
  readonly calls: { readonly [N in CallName]?: CallHandler<N> };
  /** Lines of NDJSON: live rows, or those of a job's archive. */
  readonly exportRows?: (tenantId: string, jobId: string | null) => AsyncIterable<string>;
  /** Lines of NDJSON of retained rows, of one tenant or of all. */
  readonly exportRetained?: (tenantId: string | null) => AsyncIterable<string>;
  /** Turns errors of the participant's own kind into problems, and leaves others as they are. */
  readonly translate?: (error: unknown) => unknown;
  /** Rejects where the service could not work now. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
