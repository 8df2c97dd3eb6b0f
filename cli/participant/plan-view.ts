/** A plan as people review it. */
import type { Plan, PlanFinding } from '../../erasure/plan/types.js';
import { changingRules } from '../../erasure/retention/anonymize.js';
import { startInWords } from '../../erasure/retention/due.js';
import type { Estimate } from '../../erasure/workbench/estimate.js';
import type { AcceptedDiff } from '../../services/participant-file/accepted.js';
import type { ParticipantFile } from '../../services/participant-file/schema.js';
import { type Colour, count, type Output } from '../output.js';
import { pathsOf } from './paths.js';

const COLOURS: Record<PlanFinding['severity'], Colour> = { refusal: 'red', warning: 'yellow', info: 'cyan' };

/** Names in a line that can still be read. */
const MOST_NAMES = 6;

export function printTables(
  out: Output,
  plan: Plan,
  file: ParticipantFile,
  rows: ReadonlyMap<string, number> | null,
): void {
  const order = new Map(plan.units.flatMap((unit, place) => unit.tableOids.map((oid) => [oid, place + 1])));
  const actions = new Map(plan.tables.map((one) => [one.table.oid, one.action]));
  const widest = Math.max(...[...(rows?.values() ?? [])].map((value) => count(value).length), 4);
  out.table(
    ['table', 'action', 'order', ...(rows ? ['rows'.padStart(widest)] : []), "the tenant's because"],
    plan.ownedTables.flatMap((owned) => {
      const [first = '', ...others] = pathsOf(plan, owned);
      const place = order.get(owned.table.oid);
      return [
        [
          owned.label,
          actions.get(owned.table.oid) ?? 'not accepted',
          place === undefined ? '' : String(place),
          ...(rows ? [count(rows.get(owned.label) ?? 0).padStart(widest)] : []),
          first,
        ],
        ...others.map((path) => ['', '', '', ...(rows ? [''] : []), `or ${path}`]),
      ];
    }),
  );
  for (const [table, { action, reason }] of Object.entries(file.tables)) {
    if (reason !== undefined)
      out.line(`${table} ${action === 'keep' ? 'is kept' : `(${action})`}: ${reason}`);
  }
  printPolicies(out, plan);
  for (const unit of plan.units.filter(({ reason }) => reason !== 'single')) {
    const names = unit.tableOids.map((oid) => plan.ownedTables.find(({ table }) => table.oid === oid)?.label);
    const why = unit.reason === 'cycle' ? 'refer to each other' : 'are tied by keys that act on deletion';
    const which = names.length > MOST_NAMES ? `${count(names.length)} tables` : names.join(', ');
    out.line(out.dim(`${which} ${why}: deleted in one statement.`));
  }
  printFastPath(out, plan);
}

/** With triggers off a deletion takes about half the time; where they stay on, somebody may want to know why. */
function printFastPath(out: Output, plan: Plan): void {
  const ways = fastPathOf(plan);
  if (ways.length === 0) return;
  const off = ways.filter(({ obstacle }) => obstacle === null).length;
  out.line(out.dim(`Moved with triggers off, keys checked set by set: ${off} of ${ways.length} tables.`));
  for (const why of new Set(ways.flatMap(({ obstacle }) => obstacle ?? []))) {
    const names = ways.filter(({ obstacle }) => obstacle === why).map(({ table }) => table);
    const which = names.length > MOST_NAMES ? `${count(names.length)} tables` : names.join(', ');
    out.line(out.dim(`${which}: triggers stay on, since ${why}.`));
  }
}

/** By table, in the order of deletion: null where it is moved with triggers off, else why not. */
export function fastPathOf(plan: Plan): { readonly table: string; readonly obstacle: string | null }[] {
  return plan.units.flatMap(({ tableOids }, place) =>
    tableOids.flatMap((oid) => {
      const table = plan.tables.find((one) => one.table.oid === oid)?.label;
      return table === undefined ? [] : [{ table, obstacle: plan.fastPath[place] ?? null }];
    }),
  );
}

/** What becomes of rows that do not simply go. */
function printPolicies(out: Output, plan: Plan): void {
  for (const { label, retention, rules, retainedWith } of plan.tables) {
    if (retention) {
      const { period, ground } = retention;
      out.line(`${label} is retained for ${period} from ${startInWords(retention)}: ${ground}`);
    }
    if (retainedWith)
      out.line(out.dim(`${label}: what rows of ${retainedWith.join(', ')} refer to is retained with them.`));
    if (rules) {
      const changes = changingRules(rules).map(
        ({ column, becomes }) => `${column} becomes ${becomes === null ? 'null' : JSON.stringify(becomes)}`,
      );
      out.line(`${label} stays and is nobody's: ${changes.join(', ')}`);
      for (const [column, rule] of Object.entries(rules))
        if (rule.becomes === 'keep') out.line(`${label}: ${column} stays as it is: ${rule.reason}`);
    }
  }
}

/** What people have decided. */
export function choicesOf(file: ParticipantFile): { readonly about: string; readonly choice: string }[] {
  return [
    ...Object.entries(file.tenant.columns_of).map(([about, columns]) => ({
      about,
      choice:
        columns.length === 0 ? 'has no tenant column' : `belongs to the tenant in ${columns.join(' and ')}`,
    })),
    ...Object.entries(file.references).map(([about, { means, because }]) => ({
      about,
      choice: withReason(means, because),
    })),
    ...file.soft_references.map(({ from, to, when, because }) => ({
      about: from,
      choice: withReason(`owned by ${to}${when ? ` where ${when.column} is ${when.equals}` : ''}`, because),
    })),
    ...Object.entries(file.ignored_columns).map(([about, reason]) => ({
      about,
      choice: withReason('no reference', reason),
    })),
  ];
}

function withReason(choice: string, because: string | undefined): string {
  return because === undefined ? choice : `${choice} (${because})`;
}

export function printFindings(out: Output, findings: readonly PlanFinding[]): void {
  for (const { severity, table, message, remedy } of findings) {
    const mark = out.colour(severity.padEnd(8), COLOURS[severity]);
    out.line(`${mark} ${table === null ? '' : `${table}: `}${message}`);
    if (remedy) out.line(out.dim(`         ${remedy}`));
  }
}

export function printDiff(out: Output, { added, removed, changed }: AcceptedDiff): void {
  for (const { table, ownedBy } of added) out.line(out.colour(`+ ${table}  (${ownedBy})`, 'green'));
  for (const table of removed) out.line(out.colour(`- ${table}`, 'red'));
  for (const { table, from, to } of changed) {
    out.line(out.colour(`~ ${table}`, 'yellow'));
    out.line(out.colour(`    - ${from}`, 'red'));
    out.line(out.colour(`    + ${to}`, 'green'));
  }
}

export function printEstimate(
  out: Output,
  total: number,
  { archiveBytes, seconds, slowedBy }: Estimate,
): void {
  out.line(
    `${count(total)} rows would go. Their archive takes about ${bytes(archiveBytes)} until the purge, a stage about ${span(seconds)}.`,
  );
  if (slowedBy.length > 0) {
    out.line(
      out.colour(`Most of the time goes into keys without an index: ${slowedBy.join(', ')}.`, 'yellow'),
    );
  }
}

function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const place = Math.min(Math.max(Math.floor(Math.log10(Math.max(value, 1)) / 3), 0), units.length - 1);
  const scaled = value / 1_000 ** place;
  return `${scaled >= 100 || place === 0 ? Math.round(scaled) : scaled.toFixed(1)} ${units[place]}`;
}

function span({ least, most }: Estimate['seconds']): string {
  if (most < 1) return 'a second or less';
  const text = (seconds: number) =>
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
  return text(least) === text(most) ? text(most) : `${text(least)} to ${text(most)}`;
}
