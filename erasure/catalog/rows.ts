/** What the catalog's queries return, and how it becomes the catalog's types. */
import type { Column, ForeignKey, KeyAction, Privileges, Relation, Trigger } from './types.js';

export interface DatabaseRow {
  readonly serverVersion: number;
  readonly databaseOid: number;
  readonly role: string;
  readonly lockTableSize: number;
  readonly maySeeIdentifier: boolean;
  readonly maySilenceTriggers: boolean;
  readonly letheExists: boolean;
  readonly letheUsage: boolean;
  readonly letheCreate: boolean;
  readonly publicationsCoveringArchives: string[];
}

export interface ForeignKeyRow extends Omit<ForeignKey, 'match' | 'onDelete' | 'onUpdate'> {
  readonly match: string;
  readonly onDelete: string;
  readonly onUpdate: string;
}

export interface TableRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'r' | 'p' | 'f';
  readonly declared: boolean;
  readonly parentOids: string[];
  readonly rules: string[];
  readonly primaryKey: string[] | null;
  readonly deferrableUnique: boolean;
  readonly extensionOwned: boolean;
}

export interface RelationRow extends Privileges {
  readonly root: number;
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'r' | 'p' | 'f';
  readonly estimatedRows: number;
  readonly rowSecurity: boolean;
  readonly rowSecurityForced: boolean;
  readonly filtered: boolean;
  readonly locks: number;
  readonly fenced: boolean;
  readonly replicaIdentityMissing: boolean;
}

export interface ColumnRow extends Column {
  readonly table: number;
}

export interface IndexRow {
  readonly table: number;
  readonly columns: string[];
  readonly unique: boolean;
  readonly partial: boolean;
}

export interface TriggerRow {
  readonly relation: number;
  readonly name: string;
  readonly type: number;
  readonly enabled: string;
  readonly ours: boolean;
}

export interface MaterializedViewRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly tableOids: string[];
}

const ACTIONS: Readonly<Record<string, KeyAction>> = {
  a: 'no_action',
  r: 'restrict',
  c: 'cascade',
  n: 'set_null',
  d: 'set_default',
};

export function keyOf(row: ForeignKeyRow): ForeignKey {
  const { match, onDelete, onUpdate, ...rest } = row;
  // Where ranges are matched, a row refers to every row that its range overlaps.
  const operators = row.temporal ? [...row.operators.slice(0, -1), 'OPERATOR(pg_catalog.&&)'] : row.operators;
  return {
    ...rest,
    operators,
    match: match === 'f' ? 'full' : 'simple',
    onDelete: actionOf(onDelete),
    onUpdate: actionOf(onUpdate),
  };
}

function actionOf(code: string): KeyAction {
  const action = ACTIONS[code];
  if (action === undefined) {
    throw new Error(
      `PostgreSQL reports a foreign key's action as ${JSON.stringify(code)}, which is not known here.`,
    );
  }
  return action;
}

export function columnOf({ table: _, ...column }: ColumnRow): Column {
  return column;
}

const STATES: Readonly<Record<string, Trigger['enabled']>> = {
  O: 'origin',
  R: 'replica',
  A: 'always',
  D: 'disabled',
};

/** `tgtype` is a set of bits; see PostgreSQL's `pg_trigger.h`. */
export function triggerOf(row: TriggerRow, onPartition: boolean): Trigger {
  const has = (bit: number) => (row.type & bit) !== 0;
  const events: Trigger['events'][number][] = [];
  if (has(4)) events.push('insert');
  if (has(16)) events.push('update');
  if (has(8)) events.push('delete');
  if (has(32)) events.push('truncate');
  return {
    name: row.name,
    events,
    timing: has(64) ? 'instead' : has(2) ? 'before' : 'after',
    level: has(1) ? 'row' : 'statement',
    enabled: STATES[row.enabled] ?? 'origin',
    ours: row.ours,
    onPartition,
  };
}

export function privilegesOf(row: Privileges): Privileges {
  const { select, insert, update, delete: canDelete, schemaUsage } = row;
  return { select, insert, update, delete: canDelete, schemaUsage };
}

export function relationOf(row: RelationRow): Relation {
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    kind: row.kind === 'f' ? 'foreign' : 'table',
    fenced: row.fenced,
    privileges: privilegesOf(row),
    locks: row.locks,
  };
}

/** What may be done on every one of them. */
export function commonPrivileges(rows: readonly Privileges[]): Privileges {
  return {
    select: rows.every((row) => row.select),
    insert: rows.every((row) => row.insert),
    update: rows.every((row) => row.update),
    delete: rows.every((row) => row.delete),
    schemaUsage: rows.every((row) => row.schemaUsage),
  };
}
