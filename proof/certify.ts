/**
 * From what the records hold of a job to the certificate, or to the reasons why there is none. It trusts nobody's word
 * that a job is verified: it looks for itself.
 */
import type {
  Certificate,
  CertifiedService,
  CertifiedTable,
  CertifiedWaiver,
  NotCovered,
} from './certificate.js';
import { CERTIFICATE_FORMAT, CERTIFICATE_VERSION } from './certificate.js';

export interface ServiceFacts {
  readonly name: string;
  readonly role: 'participant' | 'tenant_directory';
  readonly state: string;
  readonly reversible: boolean;
  readonly planHash: string | null;
  readonly fence: string | null;
  readonly purgedAt: string | null;
  readonly verifiedAt: string | null;
  readonly horizon: string | null;
  readonly tables: readonly CertifiedTable[];
}

/** What the records hold of a job, read under its lock. */
export interface JobFacts {
  readonly job: Omit<Certificate['job'], 'decided_at'> & { readonly decided_at: string | null };
  readonly tenantId: string;
  readonly decision: string | null;
  readonly ended: boolean;
  readonly requested: Certificate['requested'];
  readonly approval: Certificate['approval'];
  readonly services: readonly ServiceFacts[];
  readonly waivers: readonly CertifiedWaiver[];
  readonly orphanUsers: Certificate['orphan_users'];
  readonly audit: Certificate['audit'] | null;
}

/** How long copies live that a DELETE does not reach. Null: nobody can say. */
export interface Coverage {
  readonly walMs: number | null;
  readonly replicasMs: number | null;
  readonly backupsMs: number | null;
  /** `scope.not_covered`: systems outside. */
  readonly systems: readonly string[];
}

export interface Issue {
  readonly certificateId: string;
  readonly issuer: string;
  readonly keyId: string;
  readonly issuedAt: string;
}

/** The job is not what a certificate would say of it. */
export class NotVerified extends Error {
  override readonly name = 'NotVerified';
  constructor(readonly reasons: readonly string[]) {
    super(`There is nothing to certify: ${reasons.join('; ')}.`);
  }
}

/** Throws `NotVerified` unless every service was purged and then found clean, under the decision to proceed. */
export function certify(facts: JobFacts, coverage: Coverage, issue: Issue): Certificate {
  const reasons = reasonsAgainst(facts);
  const { decided_at: decidedAt } = facts.job;
  if (reasons.length > 0 || decidedAt === null || facts.audit === null) throw new NotVerified(reasons);
  // A service that was waived and is clean all the same stands among the others.
  const services = facts.services.filter((one) => reasonsOf(one, decidedAt).length === 0).map(certified);
  return {
    format: CERTIFICATE_FORMAT,
    version: CERTIFICATE_VERSION,
    certificate_id: issue.certificateId,
    issuer: issue.issuer,
    key_id: issue.keyId,
    issued_at: issue.issuedAt,
    tenant_id: facts.tenantId,
    job: { ...facts.job, decided_at: decidedAt },
    requested: facts.requested,
    approval: facts.approval,
    services,
    waivers: [...facts.waivers],
    orphan_users: facts.orphanUsers,
    totals: totalsOf(services),
    not_covered: notCovered(services, coverage, issue.issuedAt),
    audit: facts.audit,
  };
}

function reasonsAgainst(facts: JobFacts): string[] {
  const { decision, ended, services, approval, audit } = facts;
  const decidedAt = facts.job.decided_at;
  return [
    ...(decision === 'proceed' && decidedAt !== null ? [] : [`the decision is ${decision ?? 'not made'}`]),
    ...(ended ? ['the job has ended'] : []),
    ...(services.length > 0 ? [] : ['no service took part']),
    ...(approval.required && approval.approvals.length === 0 ? ['nobody has approved it'] : []),
    ...(audit === null ? ['its audit trail is empty'] : []),
    ...services.flatMap((service) => (isWaived(facts, service.name) ? [] : reasonsOf(service, decidedAt))),
  ];
}

function reasonsOf({ name, state, verifiedAt, purgedAt }: ServiceFacts, decidedAt: string | null): string[] {
  if (state !== 'purged') return [`${name} is ${state}, not purged`];
  if (verifiedAt === null) return [`${name} was not found clean`];
  // By the services' own clocks, so only what no clock's error explains.
  const before = decidedAt !== null && Date.parse(verifiedAt) < Date.parse(decidedAt) - CLOCKS_APART_MS;
  if (before) return [`${name} was verified at ${verifiedAt}, before anything was purged`];
  return purgedAt === null ? [`it is not known when ${name} was purged`] : [];
}

const CLOCKS_APART_MS = 24 * 3_600_000;

function isWaived({ waivers }: JobFacts, name: string): boolean {
  return waivers.some(({ service }) => service === name);
}

function certified(facts: ServiceFacts): CertifiedService {
  const { name, role, reversible, planHash, fence, purgedAt, verifiedAt, horizon, tables } = facts;
  return {
    service: name,
    role,
    reversible,
    plan_hash: planHash,
    fence,
    purged_at: purgedAt,
    verified_at: verifiedAt ?? '',
    horizon,
    tables: [...tables],
  };
}

function totalsOf(services: readonly CertifiedService[]): Certificate['totals'] {
  const tables = services.flatMap((service) => service.tables);
  const sum = (what: 'deleted' | 'retained' | 'anonymized' | 'kept') =>
    tables.reduce((total, table) => total + table[what], 0);
  return {
    deleted: sum('deleted'),
    retained: sum('retained'),
    anonymized: sum('anonymized'),
    kept: sum('kept'),
  };
}

/** Counted from the last purge: until then something could still be written to a log or a backup. */
function notCovered(
  services: readonly CertifiedService[],
  { walMs, replicasMs, backupsMs, systems }: Coverage,
  issuedAt: string,
): NotCovered {
  const purged = services.flatMap(({ purged_at: at }) => (at === null ? [] : [Date.parse(at)]));
  const from = purged.length > 0 ? Math.max(...purged) : Date.parse(issuedAt);
  const after = (ms: number | null) => (ms === null ? null : new Date(from + ms).toISOString());
  return {
    storage: [
      {
        what: 'dead_tuples',
        explanation:
          'Deleted rows stay in the data files, out of reach of SQL, until VACUUM has worked on the table and the space is written over.',
        gone_by: null,
      },
      {
        what: 'write_ahead_log',
        explanation: `Log segments and their archive have the rows as they were${known(walMs)}.`,
        gone_by: after(walMs),
      },
      {
        what: 'replicas',
        explanation: `Replicas follow with a delay, and what is paused follows when it goes on${known(replicasMs)}.`,
        gone_by: after(replicasMs),
      },
      {
        what: 'backups',
        explanation: `Backups that were taken before hold the rows until they expire${known(backupsMs)}. After a restore from one, the tenant is erased again.`,
        gone_by: after(backupsMs),
      },
    ],
    systems: [...systems],
  };
}

function known(ms: number | null): string {
  return ms === null ? '; how long, nobody has said' : '';
}
