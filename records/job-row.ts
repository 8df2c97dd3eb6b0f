/** One job with all that its view is made of, in one question: every step of a saga asks it. */
import { Prisma } from './generated/client.js';
import type { SqlClient } from './sql-client.js';
import type { JobRow } from './view.js';

type ServiceRow = JobRow['services'][number];
type ApprovalRow = JobRow['approvals'][number];

type FieldsOf<Row, Value> = {
  [Name in keyof Row]-?: NonNullable<Row[Name]> extends Value ? Name : never;
}[keyof Row];
type Fields<Row, Value> = Readonly<Record<FieldsOf<Row, Value>, true>>;

// JSON knows neither times nor integers of 64 bits. The compiler finds one that is missing here.
const SERVICE_TIMES: Fields<ServiceRow, Date> = {
  stageRequestedAt: true,
  verifiedAt: true,
  purgedAt: true,
  updatedAt: true,
};
const SERVICE_BIGINTS: Fields<ServiceRow, bigint> = { rowsDone: true, rowsTotal: true };
const APPROVAL_TIMES: Fields<ApprovalRow, Date> = { givenAt: true, expiresAt: true };

const JOB = Object.keys(Prisma.DeletionJobScalarFieldEnum)
  .map((field) => `j.${columnOf(field)} AS "${field}"`)
  .join(', ');
const SERVICE = objectOf('s', Object.keys(Prisma.JobServiceScalarFieldEnum));
const APPROVAL = objectOf('a', Object.keys(Prisma.JobApprovalScalarFieldEnum));

const SELECT = Prisma.raw(`
  SELECT ${JOB},
    (SELECT COALESCE(jsonb_agg(${SERVICE} ORDER BY s.name), '[]')
      FROM lethe_records.deletion_job_services s WHERE s.job_id = j.job_id) AS services,
    (SELECT COALESCE(jsonb_agg(${APPROVAL} ORDER BY a.given_at), '[]')
      FROM lethe_records.job_approvals a WHERE a.job_id = j.job_id) AS approvals
  FROM lethe_records.deletion_jobs j`);

/** Null where there is none. The same row as Prisma's, for a fraction of the time. */
export async function findJobRow(client: SqlClient, jobId: string): Promise<JobRow | null> {
  return rowOf(await client.$queryRaw<JobRow[]>`${SELECT} WHERE j.job_id = ${jobId}::uuid`);
}

/** The tenant's open job, of which there is one at most. */
export async function findOpenJobRow(client: SqlClient, tenantId: string): Promise<JobRow | null> {
  return rowOf(
    await client.$queryRaw<JobRow[]>`${SELECT} WHERE j.tenant_id = ${tenantId} AND j.ended_at IS NULL`,
  );
}

function rowOf([row]: readonly JobRow[]): JobRow | null {
  if (row === undefined) return null;
  return {
    ...row,
    services: row.services.map((service) => revived(service, SERVICE_TIMES, SERVICE_BIGINTS)),
    approvals: row.approvals.map((approval) => revived(approval, APPROVAL_TIMES, {})),
  };
}

function revived<Row extends object>(row: Row, times: object, bigints: object): Row {
  const entries = Object.entries(row).map(([field, value]) => {
    if (value === null) return [field, null];
    if (Object.hasOwn(times, field)) return [field, new Date(value)];
    return [field, Object.hasOwn(bigints, field) ? BigInt(value) : value];
  });
  return Object.fromEntries(entries) as Row;
}

function objectOf(alias: string, fields: readonly string[]): string {
  return `jsonb_build_object(${fields.map((field) => `'${field}', ${alias}.${columnOf(field)}`).join(', ')})`;
}

/** As every field of the schema is mapped. */
function columnOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
