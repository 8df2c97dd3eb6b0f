/** What stands in an export's manifest.json: enough to read every file without us, and to check it. */
import type { TableDigest } from '../../protocol/participant.js';
import type { ExportHead } from './lines.js';

export const MANIFEST_FILE = 'manifest.json';

export interface ExportedTable {
  readonly table: string;
  /** Within the zip. */
  readonly file: string;
  readonly rows: number;
  /** Of the lines of the file; null where the service named no key. */
  readonly digest: string | null;
}

export interface ExportedService {
  readonly service: string;
  readonly role: 'participant' | 'tenant_directory';
  /** `archive`: exactly what is deleted; `live`: as it stood when the export was made; `none`: the service exports nothing. */
  readonly source: 'archive' | 'live' | 'none';
  readonly head: ExportHead | null;
  readonly tables: readonly ExportedTable[];
}

export interface ManifestInput {
  readonly jobId: string;
  readonly tenantId: string;
  readonly madeAt: string;
  readonly services: readonly ExportedService[];
}

export function manifestOf({ jobId, tenantId, madeAt, services }: ManifestInput): object {
  return {
    format: 'lethe-export/1',
    job_id: jobId,
    tenant_id: tenantId,
    made_at: madeAt,
    files: 'One row of the table as a JSON object a line, UTF-8 (NDJSON).',
    digests:
      'Over the lines of a file without their line feeds: SHA-256 of the key and the line, the 32 bytes read as four big-endian numbers of 64 bits, each added up modulo 2^64.',
    services: services.map(({ service, role, source, head, tables }) => ({
      service,
      role,
      source,
      key: head?.key ?? null,
      tables: describedTables(head, tables),
    })),
  };
}

function describedTables(head: ExportHead | null, tables: readonly ExportedTable[]): object[] {
  const described = new Map(head?.tables.map((one) => [one.table, one]));
  const names = new Set([...described.keys(), ...tables.map(({ table }) => table)]);
  return [...names].map((name) => {
    const written = tables.find(({ table }) => table === name);
    return {
      table: name,
      file: written?.file ?? null,
      rows: written?.rows ?? 0,
      digest: written?.digest ?? null,
      columns: described.get(name)?.columns ?? null,
      secret_columns: described.get(name)?.secret_columns ?? [],
    };
  });
}

/** Where what was exported is not what the ledger says was archived; null where it is. */
export function differenceOf(
  tables: readonly ExportedTable[],
  counts: readonly { readonly table: string; readonly rows: number }[],
  digests: readonly TableDigest[] | undefined,
): { readonly table: string; readonly why: string } | null {
  const expected = digests ?? counts;
  const names = new Set([...expected, ...tables].map(({ table }) => table));
  for (const table of names) {
    const written = tables.find((one) => one.table === table);
    const known = expected.find((one) => one.table === table);
    const rows = written?.rows ?? 0;
    if (rows !== (known?.rows ?? 0)) {
      return { table, why: `${rows} rows were exported, ${known?.rows ?? 0} archived` };
    }
    const digest = digests?.find((one) => one.table === table)?.exported;
    if (written !== undefined && digests !== undefined && written.digest !== digest) {
      return { table, why: 'the exported rows have another digest than the archived ones' };
    }
  }
  return null;
}
