/** What a service exports, line by line. Its answer is untrusted: limited in size, and held to the order of tables. */
import { z } from 'zod';
import { tableName } from '../../protocol/common.js';
import { Problem } from '../../protocol/problems.js';

/** A row may be large; more than this is no row. */
const LONGEST_LINE = 256 * 1024 * 1024;
const NEWLINE = 0x0a;

const head = z.strictObject({
  export: z.strictObject({
    key: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
    tables: z
      .array(
        z.strictObject({
          table: tableName,
          columns: z
            .array(z.strictObject({ name: z.string().max(300), type: z.string().max(300) }))
            .max(2_000),
          secret_columns: z.array(z.string().max(300)).max(2_000),
        }),
      )
      .max(5_000),
  }),
});
export type ExportHead = z.infer<typeof head>['export'];

const line = z.strictObject({ table: tableName, row: z.looseObject({}) });

export type ExportLine =
  | { readonly kind: 'head'; readonly head: ExportHead }
  /** `row`: its JSON, exactly as it came where the line has the protocol's form. */
  | { readonly kind: 'row'; readonly table: string; readonly row: Buffer };

/** Constant memory: a line at a time. Throws `service_invalid_answer` for what is no export. */
export async function* exportLines(
  service: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ExportLine> {
  let table: string | null = null;
  let prefix = Buffer.alloc(0);
  for await (const text of linesOf(service, chunks)) {
    const end = text.length - 1;
    if (table !== null && text[end] === 0x7d && startsWith(text, prefix)) {
      yield { kind: 'row', table, row: text.subarray(prefix.length, end) };
      continue;
    }
    const parsed = jsonOf(text);
    const found = line.safeParse(parsed);
    if (!found.success) {
      const described = head.safeParse(parsed);
      if (!described.success || table !== null) throw invalid(service, 'with a line that is no row');
      yield { kind: 'head', head: described.data.export };
      continue;
    }
    table = found.data.table;
    prefix = Buffer.from(`{"table":${JSON.stringify(table)},"row":`);
    const exact = text[end] === 0x7d && startsWith(text, prefix);
    const row = exact ? text.subarray(prefix.length, end) : Buffer.from(JSON.stringify(found.data.row));
    yield { kind: 'row', table, row };
  }
}

async function* linesOf(service: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      const part = bytes.subarray(from, end);
      const whole = rest.length === 0 ? part : Buffer.concat([...rest, part]);
      if (whole.length > 0) yield whole;
      rest = [];
      size = 0;
      from = end + 1;
    }
    if (from === bytes.length) continue;
    rest.push(bytes.subarray(from));
    size += bytes.length - from;
    if (size > LONGEST_LINE) throw invalid(service, `with a line longer than ${LONGEST_LINE} bytes`);
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

function startsWith(text: Buffer, prefix: Buffer): boolean {
  return text.length > prefix.length && text.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}

function jsonOf(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

function invalid(service: string, how: string): Problem {
  return new Problem('service_invalid_answer', `${service} answered the export ${how}.`, { service });
}
