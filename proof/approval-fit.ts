/** Whether what is there now is still what was approved, and if not, what has changed. Pure. */

/** What an approval rests on: of each service the plan and the rows. */
export interface ApprovedService {
  readonly service: string;
  readonly planHash: string;
  readonly rows: number;
}

/** What a service would delete now, or has staged; null where it has told nothing yet. */
export interface PresentService {
  readonly service: string;
  readonly planHash: string | null;
  readonly rows: number | null;
}

const MOST_NAMED = 10;

/**
 * A sentence that says what no longer fits, or null where all does. Another plan or another set of services never fits;
 * rows fit up to `tolerance`, a share of all that was approved. Fewer rows always fit.
 */
export function changeSince(
  approved: readonly ApprovedService[],
  present: readonly PresentService[],
  tolerance: number,
): string | null {
  const now = new Map(present.map((one) => [one.service, one]));
  const before = new Map(approved.map((one) => [one.service, one]));
  const changes = [
    ...present.filter(({ service }) => !before.has(service)).map(({ service }) => `${service} is new`),
    ...approved.filter(({ service }) => !now.has(service)).map(({ service }) => `${service} is missing`),
    ...approved.flatMap(({ service, planHash }) => {
      const hash = now.get(service)?.planHash ?? planHash;
      return hash === planHash ? [] : [`${service} has another plan`];
    }),
    ...rowsChange(approved, now, tolerance),
  ];
  if (changes.length === 0) return null;
  const more = changes.length > MOST_NAMED ? `; and ${changes.length - MOST_NAMED} more` : '';
  return `${changes.slice(0, MOST_NAMED).join('; ')}${more}`;
}

function rowsChange(
  approved: readonly ApprovedService[],
  now: ReadonlyMap<string, PresentService>,
  tolerance: number,
): string[] {
  // A service that has told nothing yet has nothing to be compared with.
  const compared = approved.flatMap(({ service, rows }) => {
    const present = now.get(service)?.rows ?? null;
    return present === null ? [] : [{ service, before: rows, present }];
  });
  const before = compared.reduce((sum, one) => sum + one.before, 0);
  const present = compared.reduce((sum, one) => sum + one.present, 0);
  if (present <= Math.floor(before * (1 + tolerance))) return [];
  const grown = compared
    .filter((one) => one.present > one.before)
    .map((one) => `${one.service} ${one.before} to ${one.present}`)
    .slice(0, MOST_NAMED);
  return [`${present} rows where ${before} were approved (${grown.join(', ')})`];
}
