/** The platform's records: deletion jobs, their decisions, and the audit trail. */
import { withAdvisoryLock } from './advisory-lock.js';
import { auditRecords } from './audit.js';
import { type DatabaseOptions, openDatabase } from './database.js';
import { decisionRecords } from './decisions.js';
import { progressRecords } from './progress.js';
import { jobQueries } from './queries.js';
import { requestRecords } from './requests.js';
import { serviceRecords } from './services.js';
import type { Records } from './types.js';

/** Opens the records; connects at the first use, and again whenever the database was away. */
export function createRecords(options: DatabaseOptions): Records {
  const database = openDatabase(options);
  return {
    ...jobQueries(database),
    ...requestRecords(database),
    ...decisionRecords(database),
    ...progressRecords(database),
    ...serviceRecords(database),
    ...auditRecords(database),
    withAdvisoryLock: (name, work) => withAdvisoryLock(options, name, work),
    ready: () =>
      database.read(async (client) => {
        await client.deletionJob.findFirst({ select: { jobId: true } });
      }),
    close: () => database.close(),
  };
}
