import { describe, expect, it } from 'vitest';
import { exportLines } from '../../../activities/export/lines.js';
import { differenceOf, type ExportedTable } from '../../../activities/export/manifest.js';
import { RowDigest } from '../../../activities/export/row-digest.js';

async function read(text: string, size = 7): Promise<string[]> {
  async function* chunks() {
    const bytes = Buffer.from(text);
    for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
  }
  const told: string[] = [];
  for await (const line of exportLines('orders', chunks())) {
    told.push(line.kind === 'head' ? `head ${line.head.key}` : `${line.table} ${line.row.toString()}`);
  }
  return told;
}

describe('the lines of an export', () => {
  it('keep each row exactly as it came, however it was cut on its way', async () => {
    const row = '{"id": 12345678901234567890.10, "name":"Bäckerei }\\n"}';
    const text = `{"export":{"key":null,"tables":[]}}\n{"table":"a.b","row":${row}}\n{"table":"a.b","row":{}}\n{"table":"a.\\"c","row":{}}`;
    for (const size of [1, 5, 1_000]) {
      expect(await read(text, size)).toEqual(['head null', `a.b ${row}`, 'a.b {}', 'a."c {}']);
    }
  });

  it('may be written in other ways than ours', async () => {
    expect(
      await read('{ "row": {"id": 1}, "table": "a.b" }\n\n{"table": "a.b", "row": {"id": 2}}\n'),
    ).toEqual(['a.b {"id":1}', 'a.b {"id":2}']);
  });

  it.each([
    ['no JSON', '<html>'],
    ['no row', '{"table":"a.b"}'],
    ['a list', '{"table":"a.b","row":[]}'],
    ['a head that comes late', '{"table":"a.b","row":{}}\n{"export":{"key":null,"tables":[]}}'],
    ['a key that is none', '{"export":{"key":"1","tables":[]}}'],
  ])('are refused where one is %s', async (_, text) => {
    await expect(read(text)).rejects.toMatchObject({ code: 'service_invalid_answer' });
  });
});

describe('the digest of exported rows', () => {
  const digestOf = (...rows: string[]) => {
    const digest = new RowDigest(Buffer.alloc(32, 1));
    for (const row of rows) digest.add(Buffer.from(row));
    return digest.hex;
  };

  it('heeds no order, and every row', () => {
    expect(digestOf('a', 'b', 'c')).toBe(digestOf('c', 'a', 'b'));
    expect(digestOf('a', 'a')).not.toBe(digestOf());
    expect(digestOf('a', 'a', 'b')).not.toBe(digestOf('b'));
    expect(digestOf('a')).toMatch(/^[0-9a-f]{64}$/);
    const other = new RowDigest(Buffer.alloc(32, 2));
    other.add(Buffer.from('a'));
    expect(other.hex).not.toBe(digestOf('a'));
  });
});

describe('what was exported against what was archived', () => {
  const table = (name: string, rows: number, digest: string | null = null): ExportedTable => ({
    table: name,
    file: `${name}.ndjson`,
    rows,
    digest,
  });
  const known = { table: 'a.b', rows: 2, digest: 'd'.repeat(64), exported: 'e'.repeat(64) };

  it('is the same by counts, where the service takes no digests', () => {
    expect(
      differenceOf(
        [table('a.b', 2)],
        [
          { table: 'a.b', rows: 2 },
          { table: 'a.c', rows: 0 },
        ],
        undefined,
      ),
    ).toBeNull();
    expect(differenceOf([table('a.b', 1)], [{ table: 'a.b', rows: 2 }], undefined)).toMatchObject({
      table: 'a.b',
    });
    expect(differenceOf([], [{ table: 'a.b', rows: 2 }], undefined)).toMatchObject({ table: 'a.b' });
    expect(differenceOf([table('a.z', 1)], [], undefined)).toMatchObject({ table: 'a.z' });
  });

  it('is the same by digests where there are any, and never without', () => {
    expect(differenceOf([table('a.b', 2, known.exported)], [], [known])).toBeNull();
    expect(differenceOf([table('a.b', 2, known.digest)], [], [known])).toMatchObject({ table: 'a.b' });
    expect(differenceOf([table('a.b', 2)], [], [known])).toMatchObject({ table: 'a.b' });
    expect(differenceOf([table('a.b', 2, known.exported)], [], [])).toMatchObject({ table: 'a.b' });
  });
});
