/**
 * Every call of the deletion protocol, once: the server registers its routes from this table, the client builds
 * its requests from it, and `docs/protocol.openapi.json` is generated from it.
 */
import { z } from 'zod';
import { jobId, tenantId, userId } from './common.js';
import * as directory from './directory.js';
import * as participant from './participant.js';
import { deletionTarget } from './participant.js';
import * as retained from './retained.js';

/** What a service token allows; each call needs one of them. */
export const TOKEN_ACTIONS = [
  'preview',
  'status',
  'verification',
  'export',
  'manifest',
  'retained',
  'retained_erase',
  'staged',
  'restored',
  'purged',
  'released',
  'directory',
  'suspension',
  'ownership',
] as const;
export type TokenAction = (typeof TOKEN_ACTIONS)[number];

/** Actions that change nothing; a token for them may be given outside of a job. */
export const READING_ACTIONS = [
  'preview',
  'status',
  'verification',
  'export',
  'manifest',
  'retained',
] as const;

const tenantParams = z.strictObject({ tenant_id: tenantId });
const jobParams = z.strictObject({ tenant_id: tenantId, job_id: jobId });
const optionalJob = z.strictObject({ job_id: jobId.optional() });
const nothing = z.strictObject({});
const statusQuery = z.strictObject({
  restorable: z
    .enum(['true', 'false'])
    .optional()
    .describe('`false`: whether a restore would work need not be found out, which takes time by rows'),
});

/** `action` is what the token has to allow; null where the body's `target` says it. */
export const CALLS = {
  preview: {
    method: 'GET',
    path: '/tenant/:tenant_id/deletion-preview',
    action: 'preview',
    summary: 'What a deletion would remove; changes nothing',
    params: tenantParams,
    query: nothing,
    body: null,
    answer: participant.deletionPreview,
    role: 'participant',
  },
  deleteNow: {
    method: 'DELETE',
    path: '/tenant/:tenant_id',
    action: 'purged',
    summary: "Permanent deletion of this service's part, under the platform's decision to proceed",
    params: tenantParams,
    query: z.strictObject({ job_id: jobId }),
    body: null,
    answer: participant.deletionResult,
    role: 'participant',
  },
  advance: {
    method: 'PUT',
    path: '/tenant/:tenant_id/deletions/:job_id',
    action: null,
    summary: 'Goes on towards the state wanted: 200 when reached, 202 with progress otherwise',
    params: jobParams,
    query: nothing,
    body: participant.deletionRequest,
    answer: participant.deletionStatus,
    role: 'participant',
  },
  status: {
    method: 'GET',
    path: '/tenant/:tenant_id/deletions/:job_id',
    action: 'status',
    summary: "The ledger's row",
    params: jobParams,
    query: statusQuery,
    body: null,
    answer: participant.deletionStatus,
    role: 'participant',
  },
  verification: {
    method: 'GET',
    path: '/tenant/:tenant_id/verification',
    action: 'verification',
    summary: 'What is left, by count, and behind which horizon',
    params: tenantParams,
    query: optionalJob,
    body: null,
    answer: participant.verification,
    role: 'participant',
  },
  manifest: {
    method: 'GET',
    path: '/deletion-manifest',
    action: 'manifest',
    summary: 'What this service is and which tables it answers for',
    params: nothing,
    query: nothing,
    body: null,
    answer: participant.manifest,
    role: 'participant',
  },
  retained: {
    method: 'GET',
    path: '/retained',
    action: 'retained',
    summary: 'What is retained of erased tenants, by table, on which ground and until when',
    params: nothing,
    query: retained.retainedQuery,
    body: null,
    answer: retained.retainedPage,
    role: 'participant',
  },
  eraseDue: {
    method: 'POST',
    path: '/retained/erase-due',
    action: 'retained_erase',
    summary: 'Erases retained rows whose date has come, but for tenants and jobs that are excepted',
    params: nothing,
    query: nothing,
    body: retained.eraseDueRequest,
    answer: retained.erasedDue,
    role: 'participant',
  },
  releaseTombstones: {
    method: 'DELETE',
    path: '/tenant/:tenant_id/tombstone',
    action: 'released',
    summary: "Lifts the tombstones of the tenant's ended jobs, where the key was given to somebody new",
    params: tenantParams,
    query: z.strictObject({ job_id: jobId }),
    body: null,
    answer: participant.tombstonesReleased,
    role: 'participant',
  },
  tenant: {
    method: 'GET',
    path: '/tenant/:tenant_id',
    action: 'directory',
    summary: 'Name, status, owner and admins',
    params: tenantParams,
    query: nothing,
    body: null,
    answer: directory.directoryTenant,
    role: 'tenant_directory',
  },
  suspend: {
    method: 'PUT',
    path: '/tenant/:tenant_id/suspension',
    action: 'suspension',
    summary: 'Suspends the tenant for a job, or lifts what that job set',
    params: tenantParams,
    query: nothing,
    body: directory.suspensionRequest,
    answer: directory.suspensionState,
    role: 'tenant_directory',
  },
  admins: {
    method: 'GET',
    path: '/tenant/:tenant_id/admins',
    action: 'directory',
    summary: 'Who may act for a tenant',
    params: tenantParams,
    query: nothing,
    body: null,
    answer: directory.tenantAdmins,
    role: 'tenant_directory',
  },
  transferOwnership: {
    method: 'POST',
    path: '/tenant/:tenant_id/transfer-ownership',
    action: 'ownership',
    summary: 'Hands a tenant to another member, in one transaction',
    params: tenantParams,
    query: nothing,
    body: directory.transferOwnershipRequest,
    answer: directory.tenantAdmins,
    role: 'tenant_directory',
  },
  removeMemberships: {
    method: 'DELETE',
    path: '/tenant/user/:user_id/memberships',
    action: 'ownership',
    summary: 'Removes a user from every tenant',
    params: z.strictObject({ user_id: userId }),
    query: directory.removeMembershipsQuery,
    body: null,
    answer: directory.removedMemberships,
    role: 'tenant_directory',
  },
} as const;

export type CallName = keyof typeof CALLS;
type Call<N extends CallName> = (typeof CALLS)[N];
export type CallParams<N extends CallName> = z.infer<Call<N>['params']>;
export type CallQuery<N extends CallName> = z.input<Call<N>['query']>;
export type CallBody<N extends CallName> = Call<N>['body'] extends z.ZodType
  ? z.input<Call<N>['body']>
  : undefined;
export type CallAnswer<N extends CallName> = z.infer<Call<N>['answer']>;

// The export streams NDJSON and has no JSON answer; it stands beside the table.
export const EXPORT_PATH = '/tenant/:tenant_id/export';
export const exportQuery = optionalJob;
// Likewise what is retained, for an auditor; the token's action is `retained`.
export const RETAINED_EXPORT_PATH = '/retained/export';
export const retainedExportQuery = z.strictObject({ tenant_id: tenantId.optional() });

/** What a request is about: the parts of it that its token has to name, too. */
export interface RequestSubject {
  readonly action: TokenAction;
  readonly tenantId: string | null;
  readonly jobId: string | null;
  readonly userId: string | null;
}

interface RequestParts {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

/** Reads off a request what its token has to name; both sides use it, so that they cannot differ. */
export function subjectOf(name: CallName, { params, query, body }: RequestParts): RequestSubject {
  const read = (from: unknown, key: string): string | null => {
    const value = (from as Record<string, unknown> | null | undefined)?.[key];
    return typeof value === 'string' ? value : null;
  };
  const action = CALLS[name].action ?? deletionTarget.parse(read(body, 'target'));
  return {
    action,
    tenantId: read(params, 'tenant_id'),
    jobId: read(params, 'job_id') ?? read(query, 'job_id') ?? read(body, 'job_id'),
    userId: read(params, 'user_id'),
  };
}
