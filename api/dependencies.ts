/** What the API stands on. The process puts it together; tests put other parts in. */
import type { JSONWebKeySet } from 'jose';
import type { Logger } from 'pino';
import type { ServiceClient } from '../protocol/client.js';
import type { ErasedTenant } from '../protocol/erased.js';
import type { JobView } from '../protocol/jobs.js';
import type { WakeReason } from '../protocol/workflow.js';
import type { Records } from '../records/types.js';

/** A person or script, as a verified token says. */
export interface User {
  readonly id: string;
  readonly roles: ReadonlySet<string>;
  /** Only where there is no tenant directory: what the token says of tenants. */
  readonly tenants: Readonly<Record<string, 'owner' | 'admin'>>;
}

/** A user in one request; services log the request's id, too. */
export interface Caller extends User {
  readonly requestId: string;
}

/** Tells Temporal; each may reject while Temporal is away, and the reconciler makes up for it. */
export interface Runs {
  start(job: JobView): Promise<unknown>;
  wake(job: JobView, because: WakeReason): Promise<unknown>;
  requestCancel(job: JobView): Promise<unknown>;
  startRelease(releaseId: string): Promise<unknown>;
  ready(): Promise<void>;
}

export interface ApiDependencies {
  readonly records: Records;
  readonly runs: Runs;
  readonly services: readonly ServiceClient[];
  /** Throws `Problem('unauthenticated')`. */
  readonly verifyUser: (token: string) => Promise<User>;
  readonly publicKeys: () => Promise<JSONWebKeySet>;
  /** By which certificates are checked, retired ones included. Apart from those above: they sign no tokens. */
  readonly certificateKeys: () => Promise<JSONWebKeySet>;
  /** By which heads of the audit trail and lists of erased tenants are checked. */
  readonly recordsKeys: () => Promise<JSONWebKeySet>;
  readonly previewHash: (tenantId: string, plans: readonly HashedPlan[]) => string;
  /** The tenant's name outside of the records. Throws where it may not have one. */
  readonly publicKeyOf: (tenantId: string) => string;
  readonly erasedList: ErasedListSigner;
  readonly settings: {
    readonly restoreWindowMs: number;
    readonly requireApproval: boolean;
    readonly requireNameConfirmation: boolean;
    readonly previewTimeoutMs: number;
    readonly rateLimitPerMinute: number;
    /** How long the process may be busy with other requests before it answers 503; 0: for ever. */
    readonly overloadedAfterMs: number;
    /** Where the worker leaves exports; without it, none can be asked for. */
    readonly exportDirectory?: string;
  };
  readonly version: string;
  readonly logger: Logger;
}

/** Signs the list of erased tenants, and checks one that was signed. */
export interface ErasedListSigner {
  sign(tenants: readonly ErasedTenant[]): Promise<string>;
  /** `why`: what is wrong with it. */
  check(
    jws: string,
  ): Promise<
    | { readonly tenants: readonly ErasedTenant[]; readonly why: null }
    | { readonly tenants: null; readonly why: string }
  >;
}

/** What of a service's preview stands in the preview's hash. */
export interface HashedPlan {
  readonly service: string;
  readonly planHash: string;
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
}
