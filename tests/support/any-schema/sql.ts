/** A random schema as SQL. */
import pg from 'pg';
import { SCHEMAS, TYPES_SQL } from './extras.js';
import { type Key, keyColumns, type Model, type Table } from './model.js';
import { keyText, type Rows } from './rows.js';

const ident = pg.escapeIdentifier;
const quoted = (value: string | null) => (value === null ? 'NULL' : pg.escapeLiteral(value));
const list = (names: readonly string[]) => names.map(ident).join(', ');

export function qualified({ schema, name }: Table): string {
  return `${ident(schema)}.${ident(name)}`;
}

/** The rows of the table itself. */
export function source(table: Table): string {
  return table.partitioned === 'no' ? `ONLY ${qualified(table)}` : qualified(table);
}

/** Tables without keys between them, which come after the rows. */
export function tablesSql(model: Model, rows: Rows): string {
  return [
    ...SCHEMAS.map((name) => `DROP SCHEMA IF EXISTS ${ident(name)} CASCADE; CREATE SCHEMA ${ident(name)}`),
    TYPES_SQL.trim().replace(/;$/, ''),
    ...model.tables.flatMap((table) => tableSql(rows, table)),
  ].join(';\n');
}

function tableSql(rows: Rows, table: Table): string[] {
  const own = table.columns.filter(({ name }) => !table.parent?.columns.some((one) => one.name === name));
  const columns = own.map(({ name, type, more, notNull, is }) => {
    const fallback = is.kind === 'refers' && is.key.child === table ? defaultOf(rows, is.key, name) : null;
    const required = notNull && !more.includes('NOT NULL') ? 'NOT NULL' : '';
    return `${ident(name)} ${type} ${more} ${required} ${fallback === null ? '' : `DEFAULT ${quoted(fallback)}`}`;
  });
  const extra: string[] = [];
  const { constraint, dropped, wide } = table.raw;
  const plain = table.partitioned === 'no' && table.parent === null && table.keyKind !== 'none';
  if (plain && constraint !== 'none') {
    const exclusion = constraint === 'exclude';
    columns.push(exclusion ? 'place int4range' : 'place int');
    extra.push(
      exclusion
        ? `ALTER TABLE ${qualified(table)} ADD EXCLUDE USING gist (place WITH &&)`
        : `ALTER TABLE ${qualified(table)} ADD UNIQUE (place) ${constraint === 'deferrable' ? 'DEFERRABLE INITIALLY DEFERRED' : ''}`,
    );
  }
  if (wide && table.parent === null) {
    columns.push(`filler text STORAGE PLAIN DEFAULT repeat('x', 3500)`);
  }
  if (dropped && table.parent === null) {
    columns.unshift('gone int NOT NULL DEFAULT 3');
    extra.unshift(`ALTER TABLE ${qualified(table)} DROP COLUMN gone CASCADE`);
  }
  const key = keyColumns(table).map(({ name }) => name);
  if (table.keyKind !== 'none' && table.parent === null)
    columns.push(`${table.keyKind === 'unique' ? 'UNIQUE' : 'PRIMARY KEY'} (${list(key)})`);
  const inherits = table.parent ? ` INHERITS (${qualified(table.parent)})` : '';
  const by = table.partitioned === 'no' ? '' : ` PARTITION BY HASH (${ident(key[0] ?? '')})`;
  return [
    `CREATE TABLE ${qualified(table)} (${columns.join(', ')})${inherits}${by}`,
    ...partitions(table, key[0] ?? ''),
    ...extra,
  ];
}

/** Without a constraint a default says nothing. */
function defaultOf(rows: Rows, key: Key, column: string): string | null {
  if (key.defaultRow === null || !key.setColumns.includes(column)) return null;
  return keyText(rows, key, key.defaultRow)[key.childColumns.indexOf(column)] ?? null;
}

function partitions(table: Table, key: string): string[] {
  if (table.partitioned === 'no') return [];
  const part = (name: string) => `${ident(table.schema)}.${ident(`${name} of ${table.index}`)}`;
  const below = (name: string, of: string, remainder: number, more = '') =>
    `CREATE TABLE ${part(name)} PARTITION OF ${of} FOR VALUES WITH (MODULUS 2, REMAINDER ${remainder})${more}`;
  if (table.partitioned === 'once') return [0, 1].map((n) => below(`p${n}`, qualified(table), n));
  return [
    below('p0', qualified(table), 0),
    `CREATE TABLE ${part('p1')} PARTITION OF ${qualified(table)} FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (${ident(key)})`,
    ...[1, 3].map(
      (n) =>
        `CREATE TABLE ${part(`p1.${n}`)} PARTITION OF ${part('p1')} FOR VALUES WITH (MODULUS 4, REMAINDER ${n})`,
    ),
  ];
}

/** Inserts a table's rows, and gives every column of each as PostgreSQL writes it, in the rows' order. */
export function rowsSql(table: Table, rows: Rows): string | null {
  const values = rows.values.get(table) ?? [];
  if (values.length === 0) return null;
  const written = table.columns
    .map((column, place) => ({ column, place }))
    .filter(({ column }) => !column.generated);
  const place =
    table.partitioned === 'no' && table.parent === null && table.keyKind !== 'none'
      ? table.raw.constraint
      : 'none';
  const names = [...written.map(({ column }) => column.name), ...(place === 'none' ? [] : ['place'])];
  const tuples = values.map((row, at) => {
    const cells = written.map(
      ({ column, place: index }) => `CAST(${quoted(row[index] ?? null)} AS ${column.type})`,
    );
    if (place !== 'none')
      cells.push(place === 'exclude' ? `'[${at * 10},${at * 10 + 5})'::int4range` : String(at + 100));
    return `(${cells.join(', ')})`;
  });
  if (names.length === 0) return `INSERT INTO ${qualified(table)} DEFAULT VALUES`;
  return `INSERT INTO ${qualified(table)} (${list(names)}) OVERRIDING SYSTEM VALUE VALUES ${tuples.join(', ')} RETURNING ${shown(table)}`;
}

/** All columns of the model as an array of texts. */
export function shown(table: Table): string {
  const columns = table.columns.map(({ name }) => `${ident(name)}::text`);
  return `ARRAY[${columns.join(', ')}]::text[] AS "all"`;
}

const ACTIONS = {
  no_action: 'NO ACTION',
  restrict: 'RESTRICT',
  cascade: 'CASCADE',
  set_null: 'SET NULL',
  set_default: 'SET DEFAULT',
} as const;
const DEFERRABLE = { not: '', immediate: 'DEFERRABLE', deferred: 'DEFERRABLE INITIALLY DEFERRED' } as const;

/** Triggers on tables that hold rows already. */
export function triggersSql({ tables }: Model): string {
  const functions = `CREATE FUNCTION "any".suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('application_name') LIKE 'lethe %' THEN RAISE EXCEPTION 'fired'; END IF; RETURN NULL; END $$;
    CREATE FUNCTION "any".fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;
  const triggers = tables.flatMap((table) =>
    table.raw.trigger === 'none'
      ? []
      : [
          `CREATE TRIGGER "Loud 1" AFTER INSERT OR DELETE ON ${qualified(table)} FOR EACH ROW EXECUTE FUNCTION "any".${table.raw.trigger}()`,
        ],
  );
  return [functions, ...triggers].join(';\n');
}

export function keysSql(model: Model): string {
  return model.keys
    .filter(({ soft }) => !soft)
    .flatMap((key) => {
      const { raw, child, parent, childColumns, parentColumns } = key;
      const some = key.setColumns.length < childColumns.length ? ` (${list(key.setColumns)})` : '';
      const action = ACTIONS[raw.onDelete] + (raw.onDelete.startsWith('set_') ? some : '');
      const how = [
        raw.full ? 'MATCH FULL' : '',
        `ON DELETE ${action}`,
        DEFERRABLE[raw.deferrable],
        key.enforced ? '' : 'NOT ENFORCED',
        key.notValid ? 'NOT VALID' : '',
      ];
      const unique = `ALTER TABLE ${qualified(parent)} ADD UNIQUE (${list(parentColumns)})`;
      return [
        ...(key.overTenant ? [unique] : []),
        `ALTER TABLE ${qualified(child)} ADD CONSTRAINT ${ident(`Key ${key.index}`)} FOREIGN KEY (${list(childColumns)}) REFERENCES ${qualified(parent)} (${list(parentColumns)}) ${how.join(' ')}`,
        ...(raw.indexed ? [`CREATE INDEX ON ${qualified(child)} (${list(childColumns)})`] : []),
      ];
    })
    .join(';\n');
}
