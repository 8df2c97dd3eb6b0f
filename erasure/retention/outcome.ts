/** What has become of rows, beyond that they left: in the ledger, by the table's label. */

export interface Outcome {
  /** Rows that went to where they are kept until their date. */
  readonly retained?: number;
  readonly grounds?: readonly string[];
  /** When the last of them is due; null where that is never. */
  readonly retainUntil?: string | null;
  readonly anonymized?: number;
  readonly kept?: number;
}

export type Outcomes = Readonly<Record<string, Outcome>>;

/** Both together: rows add up, the later date counts. */
export function merged(before: Outcomes, more: Outcomes): Outcomes {
  const result: Record<string, Outcome> = { ...before };
  for (const [table, one] of Object.entries(more)) {
    const was = result[table] ?? {};
    result[table] = {
      ...was,
      ...(one.retained !== undefined && {
        retained: (was.retained ?? 0) + one.retained,
        grounds: [...new Set([...(was.grounds ?? []), ...(one.grounds ?? [])])],
        retainUntil: later(was.retainUntil, one.retainUntil),
      }),
      ...(one.anonymized !== undefined && { anonymized: (was.anonymized ?? 0) + one.anonymized }),
      // A count of what is there, not of what was done.
      ...(one.kept !== undefined && { kept: Math.max(was.kept ?? 0, one.kept) }),
    };
  }
  return result;
}

function later(one: string | null | undefined, other: string | null | undefined): string | null {
  if (one === null || other === null) return null;
  if (one === undefined || other === undefined) return one ?? other ?? null;
  return one > other ? one : other;
}

/** What is told of one table, `rows` of which have left it. */
export interface TableOutcome {
  readonly deleted?: number;
  readonly retained?: number;
  readonly anonymized?: number;
  readonly kept?: number;
  readonly ground?: string;
  readonly retainUntil?: string | null;
}

/** `rows`: that have left; left out where they are no matter. */
export function told(outcome: Outcome | undefined, rows?: number): TableOutcome {
  if (outcome === undefined) return {};
  const { retained, grounds = [], retainUntil, anonymized, kept } = outcome;
  return {
    ...(retained !== undefined && rows !== undefined && { deleted: Math.max(0, rows - retained) }),
    ...(retained !== undefined && {
      retained,
      ground: grounds.join('; ').slice(0, 1000),
      retainUntil: retainUntil ?? null,
    }),
    ...(anonymized !== undefined && { anonymized }),
    ...(kept !== undefined && { kept }),
  };
}
