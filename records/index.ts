/** The platform's records: deletion jobs, their decisions, and the audit trail. */
import { withAdvisoryLock } from './advisory-lock.js';
import { approvalRecords } from './approvals.js';
import { auditRecords } from './audit.js';
import { auditHeads } from './audit-heads.js';
import { auditQueries } from './audit-queries.js';
import { certificateRecords } from './certificates.js';
import { type DatabaseOptions, openDatabase } from './database.js';
import { decisionRecords } from './decisions.js';
import { exportRecords } from './exports.js';
import { gateRecords } from './gate.js';
import type { GateRules } from './gate-types.js';
import { haltRecords } from './halt.js';
import { holdRecords } from './holds.js';
import { noticeRecords } from './notices.js';
import { peopleRecords } from './people.js';
import { progressRecords } from './progress.js';
import { jobQueries } from './queries.js';
import { requestRecords } from './requests.js';
import { retentionRecords } from './retention.js';
import { serviceRecords } from './services.js';
import { hashBy, staysGoneRecords } from './stays-gone.js';
import type { Records } from './types.js';
import { waiverRecords } from './waivers.js';

export interface RecordsOptions extends DatabaseOptions {
  /** What stands for a tenant's key outside of the records: marks that were imported may know nothing else. */
  readonly publicKeyOf?: (tenantId: string) => string;
  /** How strict the gate is, as far as this process has a say in it. */
  readonly gate?: Partial<GateRules>;
}

const USUAL_RULES: GateRules = {
  approvalTtlMs: 72 * 3_600_000,
  rowsTolerance: 0.1,
  capPerHour: null,
  capPerDay: null,
};

/** Opens the records; connects at the first use, and again whenever the database was away. */
export function createRecords(options: RecordsOptions): Records {
  const database = openDatabase(options);
  const hashOf = hashBy(options.publicKeyOf);
  const rules = { ...USUAL_RULES, ...options.gate };
  return {
    ...jobQueries(database, hashOf),
    ...requestRecords(database, hashOf),
    ...decisionRecords(database, rules),
    ...gateRecords(database, rules),
    ...approvalRecords(database, rules),
    ...holdRecords(database),
    ...haltRecords(database),
    ...progressRecords(database),
    ...serviceRecords(database),
    ...staysGoneRecords(database, hashOf),
    ...auditRecords(database),
    ...auditQueries(database),
    ...auditHeads(database),
    ...certificateRecords(database),
    ...peopleRecords(database),
    ...retentionRecords(database),
    ...exportRecords(database),
    ...waiverRecords(database),
    ...noticeRecords(database),
    withAdvisoryLock: (name, work) => withAdvisoryLock(options, name, work),
    ready: () =>
      database.read(async (client) => {
        await client.deletionJob.findFirst({ select: { jobId: true } });
      }),
    close: () => database.close(),
  };
}
