/** The deletion protocol as an OpenAPI 3.1 document, made from the same table and schemas that both sides use. */
import { z } from 'zod';
import {
  CALLS,
  type CallName,
  EXPORT_PATH,
  exportQuery,
  RETAINED_EXPORT_PATH,
  retainedExportQuery,
} from './calls.js';
import { PROTOCOL_VERSION, problemDocument, tenantId } from './common.js';
import * as directory from './directory.js';
import * as participant from './participant.js';
import { readiness } from './platform.js';
import { PROBLEM_MEDIA_TYPE } from './problem-document.js';
import { PROBLEMS, type ProblemCode } from './problems.js';
import * as retained from './retained.js';

/** What any call may be refused with. */
export const COMMON_CODES: readonly ProblemCode[] = [
  'malformed_request',
  'unauthenticated',
  'forbidden',
  'route_unknown',
  'body_too_large',
  'validation_failed',
  'internal',
  'keys_unavailable',
  'overloaded',
  'database_busy',
  'database_unavailable',
];

const CHANGING: readonly ProblemCode[] = [
  'state_conflict',
  'other_job_open',
  'plan_refused',
  'privilege_missing',
  'reference_conflict',
  'move_not_exact',
  'database_error',
];

/** What a call may be refused with beyond that. */
export const CODES_OF_CALLS: Readonly<Partial<Record<CallName, readonly ProblemCode[]>>> = {
  advance: [...CHANGING, 'past_pivot', 'plan_drift', 'restore_conflict', 'target_unsupported'],
  deleteNow: CHANGING,
  releaseTombstones: ['other_job_open', 'privilege_missing'],
  tenant: ['tenant_unknown', 'already_erased'],
  suspend: ['tenant_unknown', 'already_erased', 'state_conflict'],
  admins: ['tenant_unknown', 'already_erased'],
  transferOwnership: ['tenant_unknown', 'user_unknown', 'already_erased', 'deletion_open', 'not_a_member'],
  removeMemberships: ['user_unknown', 'deletion_open', 'not_a_member', 'sole_owner'],
};

/** Which calls a participant of each level answers. */
export const LEVELS: Readonly<Record<CallName, 'simple' | 'full' | 'directory'>> = {
  preview: 'simple',
  deleteNow: 'simple',
  verification: 'simple',
  manifest: 'simple',
  advance: 'full',
  status: 'full',
  retained: 'full',
  eraseDue: 'full',
  releaseTombstones: 'full',
  tenant: 'directory',
  suspend: 'directory',
  admins: 'directory',
  transferOwnership: 'directory',
  removeMemberships: 'directory',
};

const SCHEMAS = {
  Problem: problemDocument,
  Finding: participant.finding,
  DeletionPreview: participant.deletionPreview,
  DeletionRequest: participant.deletionRequest,
  SliceWait: participant.sliceWait,
  DeletionStatus: participant.deletionStatus,
  DeletionResult: participant.deletionResult,
  Verification: participant.verification,
  Manifest: participant.manifest,
  RetainedPage: retained.retainedPage,
  EraseDueRequest: retained.eraseDueRequest,
  ErasedDue: retained.erasedDue,
  TombstonesReleased: participant.tombstonesReleased,
  DirectoryTenant: directory.directoryTenant,
  SuspensionRequest: directory.suspensionRequest,
  SuspensionState: directory.suspensionState,
  TransferOwnershipRequest: directory.transferOwnershipRequest,
  TenantAdmins: directory.tenantAdmins,
  RemovedMemberships: directory.removedMemberships,
  Readiness: readiness,
} as const;

type Json = { [member: string]: unknown };

const REFERENCE = '#/components/schemas/';

/** The document; the same at every run. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  const add = (path: string, method: string, operation: Json) => {
    const template = path.replace(/:(\w+)/g, '{$1}');
    paths[template] = { ...paths[template], [method.toLowerCase()]: operation };
  };
  for (const name of Object.keys(CALLS) as CallName[])
    add(CALLS[name].path, CALLS[name].method, callOf(name));
  add(EXPORT_PATH, 'GET', exportOperation());
  add(RETAINED_EXPORT_PATH, 'GET', retainedExportOperation());
  for (const [path, operation] of Object.entries(operationsOfService())) add(path, 'GET', operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lethe deletion protocol',
      version: PROTOCOL_VERSION,
      description:
        'What a service answers so that a tenant can be deleted from it. Bodies are strict: an unknown field is an error, in requests and in answers. docs/protocol.md says how tokens are checked and what each state answers to each target.',
    },
    tags: [
      { name: 'simple', description: 'Enough to join: count, delete, verify' },
      { name: 'full', description: 'Beyond it, for services that can bring rows back until the pivot' },
      { name: 'directory', description: 'The tenant directory, where there is one' },
      { name: 'operations', description: 'For whoever runs the service; no token' },
    ],
    security: [{ serviceToken: [] }],
    paths,
    components: {
      securitySchemes: {
        serviceToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'Signed by the platform (EdDSA), for one service, one action, one tenant and one job, good for 60 s at most.',
        },
      },
      schemas: schemas(),
    },
  };
}

function callOf(name: CallName): Json {
  const { summary, params, query, body, answer, action } = CALLS[name];
  const success = { description: 'Done', content: jsonOf(answer) };
  return {
    operationId: name,
    summary,
    tags: [LEVELS[name]],
    'x-token-action': action ?? 'the target',
    parameters: [...parametersOf('path', params), ...parametersOf('query', query)],
    ...(body && { requestBody: { required: true, content: jsonOf(body) } }),
    responses: {
      200: name === 'advance' ? { ...success, description: 'The target has been reached' } : success,
      ...(name === 'advance' && {
        202: { ...success, description: 'Not yet: the progress, and what it waits for. Ask again' },
      }),
      ...refusals(CODES_OF_CALLS[name] ?? []),
    },
  };
}

function exportOperation(): Json {
  return {
    operationId: 'export',
    summary: "The tenant's rows as NDJSON, streamed; with job_id out of that job's archive. Optional",
    tags: ['full'],
    'x-token-action': 'export',
    parameters: [
      ...parametersOf('path', z.strictObject({ tenant_id: tenantId })),
      ...parametersOf('query', exportQuery),
    ],
    responses: {
      200: {
        description: 'A line a row: {"table": "schema.table", "row": {…}}',
        content: { 'application/x-ndjson': { schema: { type: 'string' } } },
      },
      ...refusals([]),
    },
  };
}

function retainedExportOperation(): Json {
  return {
    operationId: 'retainedExport',
    summary: 'Retained rows as NDJSON, streamed, for an auditor. Optional',
    tags: ['full'],
    'x-token-action': 'retained',
    parameters: parametersOf('query', retainedExportQuery),
    responses: {
      200: {
        description:
          'A line a row: {"tenant_id", "job_id", "table", "why", "ground", "period", "retain_until", "row": {column: text or null}, "types": {column: type}}',
        content: { 'application/x-ndjson': { schema: { type: 'string' } } },
      },
      ...refusals([]),
    },
  };
}

function operationsOfService(): Record<string, Json> {
  const open = { tags: ['operations'], security: [] };
  return {
    '/healthz': {
      ...open,
      summary: 'The process lives',
      responses: { 200: { description: 'It does' } },
    },
    '/readyz': {
      ...open,
      summary: 'What the service stands on answers',
      responses: {
        200: { description: 'Ready', content: jsonOf(readiness) },
        503: { description: 'Not ready', content: jsonOf(readiness) },
      },
    },
    '/metrics': {
      ...open,
      summary: 'For Prometheus',
      responses: {
        200: { description: 'Metrics', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  };
}

function refusals(codes: readonly ProblemCode[]): Json {
  const byStatus: Record<number, ProblemCode[]> = {};
  for (const code of [...COMMON_CODES, ...codes]) {
    const { status } = PROBLEMS[code];
    byStatus[status] = [...(byStatus[status] ?? []), code];
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, known]) => [
      status,
      {
        description: known.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
        content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: `${REFERENCE}Problem` } } },
      },
    ]),
  );
}

function jsonOf(schema: z.ZodType): Json {
  const name = Object.entries(SCHEMAS).find(([, one]) => one === schema)?.[0];
  if (name === undefined)
    throw new Error('A body of the protocol has no name among the schemas of openapi.ts.');
  return { 'application/json': { schema: { $ref: `${REFERENCE}${name}` } } };
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject): Json[] {
  return Object.entries(schema.shape).map(([name, one]) => {
    const { description, ...type } = readable(z.toJSONSchema(one as z.ZodType, { io: 'input' }));
    return {
      name,
      in: place,
      required: place === 'path' || !z.safeParse(one as z.ZodType, undefined).success,
      ...(description !== undefined && { description }),
      schema: type,
    };
  });
}

function schemas(): Json {
  const names = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) names.add(schema, { id });
  const made = z.toJSONSchema(names, { io: 'input', uri: (id) => `${REFERENCE}${id}` });
  return Object.fromEntries(Object.entries(made.schemas).map(([id, schema]) => [id, readable(schema)]));
}

/** Without what only a program needs: patterns beside a format that says the same, and the bounds of every integer. */
function readable(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema), (key: string, value: unknown) => {
    if (key === '$schema' || key === '$id') return undefined;
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) return undefined;
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) return undefined;
    if (typeof value === 'object' && value !== null && 'format' in value && 'pattern' in value) {
      const { pattern, ...rest } = value;
      return rest;
    }
    return value;
  }) as Json;
}
