/** One service's rows into the zip: a file a table, counted and digested on their way. */
import { Problem } from '../../protocol/problems.js';
import { type ExportHead, exportLines } from './lines.js';
import type { ExportedTable } from './manifest.js';
import { RowDigest } from './row-digest.js';
import type { ExportZip } from './zip-file.js';

export interface Written {
  readonly head: ExportHead | null;
  readonly tables: readonly ExportedTable[];
}

interface Open {
  readonly table: string;
  readonly file: string;
  readonly digest: RowDigest | null;
  rows: number;
}

export async function writeService(
  zip: ExportZip,
  service: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<Written> {
  const tables: ExportedTable[] = [];
  const names = new FileNames(service);
  let head = null as ExportHead | null;
  let open = null as Open | null;
  for await (const line of exportLines(service, chunks)) {
    if (line.kind === 'head') {
      head = line.head;
      continue;
    }
    if (open?.table !== line.table) {
      tables.push(...closed(open));
      if (tables.some(({ table }) => table === line.table)) throw scattered(service, line.table);
      const digest: RowDigest | null = head?.key == null ? null : new RowDigest(Buffer.from(head.key, 'hex'));
      open = { table: line.table, file: names.nameOf(line.table), digest, rows: 0 };
      await zip.begin(open.file);
    }
    open.rows += 1;
    open.digest?.add(line.row);
    await zip.line(line.row);
  }
  tables.push(...closed(open));
  return { head, tables };
}

function closed(open: Open | null): ExportedTable[] {
  if (open === null) return [];
  const { table, file, rows, digest } = open;
  return [{ table, file, rows, digest: digest?.hex ?? null }];
}

/** Names that every system can unpack, whatever a table is called. */
class FileNames {
  private readonly taken = new Set<string>();

  constructor(private readonly service: string) {}

  nameOf(table: string): string {
    const plain = table.replaceAll(/[^A-Za-z0-9._-]+/g, '_').slice(0, 120);
    let name = plain;
    // Some systems know no difference between large and small letters.
    for (let more = 2; this.taken.has(name.toLowerCase()); more += 1) name = `${plain}-${more}`;
    this.taken.add(name.toLowerCase());
    return `${this.service}/${name}.ndjson`;
  }
}

function scattered(service: string, table: string): Problem {
  const detail = `${service} exports rows of ${table} here and there; rows of a table have to follow each other.`;
  return new Problem('service_invalid_answer', detail, { service, table });
}
