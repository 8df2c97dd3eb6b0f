/** A participant of a test: knows how many rows each tenant has, and can be told to fail. */
import type { Manifest } from '../../protocol/participant.js';
import type { Participant } from '../../services/http/participant.js';

export interface PlayedParticipant extends Participant {
  readonly rows: Map<string, number>;
  /** Thrown instead of every answer, where it is set. */
  fault: Error | null;
  planHash: string;
}

export function playedParticipant(name: string): PlayedParticipant {
  const played: PlayedParticipant = {
    name,
    rows: new Map(),
    fault: null,
    planHash: 'a'.repeat(64),
    calls: {
      preview: async ({ params }) => {
        failWhereTold();
        const rows = played.rows.get(params.tenant_id) ?? 0;
        return {
          tenant_id: params.tenant_id,
          service_name: name,
          plan_hash: played.planHash,
          reversible: true,
          total_rows: rows,
          tables: [{ table: `${name}.things`, action: 'delete', rows, owned_by: 'tenant_id' }],
          findings: [],
        };
      },
      verification: async ({ params, query }) => {
        failWhereTold();
        const rows = played.rows.get(params.tenant_id) ?? 0;
        return {
          tenant_id: params.tenant_id,
          job_id: query.job_id ?? null,
          service_name: name,
          clean: rows === 0,
          rows_left: rows,
          tables: [{ table: `${name}.things`, live_rows: rows, archived_rows: 0 }],
          horizon: null,
          horizon_passed: false,
          waiting_for: null,
          verified_at: new Date().toISOString(),
        };
      },
      manifest: async (): Promise<Manifest> => {
        failWhereTold();
        return {
          service_name: name,
          protocol_version: '1',
          reversible: true,
          fence: 'trigger',
          plan_hash: played.planHash,
          tables: [{ table: `${name}.things`, action: 'delete', owned_by: 'tenant_id' }],
          unaccepted_tables: [],
          findings: [],
          open_jobs: [],
        };
      },
    },
    ready: async () => failWhereTold(),
    close: async () => undefined,
  };
  function failWhereTold(): void {
    if (played.fault) throw played.fault;
  }
  return played;
}
