/** Building blocks of the wire: identifiers, times, problem documents. */
import { z } from 'zod';
import { PROBLEM_CODES } from './problems.js';

export const PROTOCOL_VERSION = '1';

/** A tenant's key. The reference services use UUIDs; a foreign schema may use any scalar as text. */
export const tenantId = z.string().min(1).max(200).describe("The tenant's key");
export const jobId = z.uuid().describe('The deletion job, a UUID v7');
export const userId = z.uuid().describe('A user');
/** Times are RFC 3339, UTC. */
export const timestamp = z.iso.datetime({ offset: true });
export const rowCount = z.int().nonnegative();
/** A table as people write it, `schema.table`, parts quoted where PostgreSQL would need it. */
export const tableName = z.string().min(1).max(270);
export const serviceName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'lower case letters, digits, - and _, at most 40');
export const planHash = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex');

/** RFC 9457 problem details, with a stable `code`. Unknown members are let through, as the RFC asks. */
export const problemDocument = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(PROBLEM_CODES).or(z.string()),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z.array(z.looseObject({ path: z.string(), message: z.string() })).optional(),
  service: z.string().optional(),
  table: z.string().optional(),
  privilege: z.string().optional(),
  sqlstate: z.string().optional(),
  state: z.string().optional(),
  job_id: z.string().optional(),
  tenant_ids: z.array(z.string()).optional(),
});
export type ProblemDocument = z.infer<typeof problemDocument>;
