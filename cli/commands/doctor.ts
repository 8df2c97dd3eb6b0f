import { type HousekeepingView, housekeepingView } from '../../protocol/housekeeping.js';
import type { Finding } from '../../protocol/participant.js';
import { readiness, type ServiceView, servicesView } from '../../protocol/platform.js';
import { ApiRefusal } from '../api-client.js';
import type { Command, CommandContext } from '../context.js';
import { EXIT } from '../exit-codes.js';
import type { Colour, Output } from '../output.js';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string | null;
}
type FoundAt = Finding & { readonly service: string };

const COLOURS: Record<Finding['severity'], Colour> = { refusal: 'red', warning: 'yellow', info: 'cyan' };

/** `lethe doctor`: whether a deletion would find everything it needs. `--quick` leaves the plans' findings out. */
export const doctor: Command<{ quick?: boolean }> = async ({ api, out }, options) => {
  const platform = await platformChecks({ api, out });
  out.line(out.strong(`Lethe at ${api.apiUrl}`));
  for (const check of platform) out.line(mark(out, check));
  out.line();

  const { services } = await api.call(servicesView, 'GET', '/api/v1/services');
  const checks = services.map(checkOf);
  const findings = options.quick ? [] : services.flatMap(findingsOf);
  const refusals = findings.filter((finding) => finding.severity === 'refusal');
  const { steps } = await api.call(housekeepingView, 'GET', '/api/v1/housekeeping');
  const scheduled = steps.map(stepOf);
  const healthy = [...platform, ...checks, ...scheduled].every((check) => check.ok) && refusals.length === 0;

  out.document({ healthy, platform, services, findings, housekeeping: steps });
  for (const check of checks) out.line(mark(out, check));
  out.line();
  for (const check of scheduled) out.line(mark(out, check));
  if (findings.length > 0) out.line();
  for (const finding of findings) printFinding(out, finding);
  out.line();
  out.line(
    healthy
      ? out.colour('Ready: a deletion would find everything it needs.', 'green')
      : out.colour('Not ready: see what is marked.', 'red'),
  );
  return healthy ? EXIT.ok : EXIT.failed;
};

async function platformChecks({ api }: CommandContext): Promise<Check[]> {
  // Not being ready is an answer here (503 with the same body), not a failure of the command.
  const found = await api.call(readiness, 'GET', '/readyz').catch((error: unknown) => {
    const body = error instanceof ApiRefusal ? readiness.safeParse(error.document) : null;
    if (body?.success) return body.data;
    throw error;
  });
  return Object.entries(found.checks).map(([name, check]) => ({ name, ...check }));
}

function checkOf(service: ServiceView): Check {
  const { name, manifest } = service;
  const fault = faultOf(service);
  if (fault !== null) return { name, ok: false, message: fault };
  const facts = [
    `${service.latency_ms ?? 0} ms`,
    `${manifest?.tables.length ?? 0} tables`,
    `fence: ${manifest?.fence ?? 'unknown'}`,
    ...(manifest?.reversible === false ? ['final once called'] : []),
    ...(manifest?.unaccepted_tables.length
      ? [`not accepted yet: ${manifest.unaccepted_tables.join(', ')}`]
      : []),
    ...(manifest?.open_jobs.length ? [`${manifest.open_jobs.length} open jobs`] : []),
  ];
  return { name, ok: true, message: facts.join(', ') };
}

/** A step of what runs by itself: when it ran last, and what came of it. */
function stepOf({
  step,
  succeeded_at,
  started_at,
  outcome,
  error,
}: HousekeepingView['steps'][number]): Check {
  const name = step.replaceAll('_', ' ');
  if (error !== null) return { name, ok: false, message: `failed at its last time: ${error}` };
  if (started_at === null) return { name, ok: true, message: 'has not run yet' };
  const counts = Object.entries(outcome).map(([what, count]) => `${what.replaceAll('_', ' ')}: ${count}`);
  return { name, ok: true, message: [`last at ${succeeded_at ?? started_at}`, ...counts].join(', ') };
}

function faultOf(service: ServiceView): string | null {
  const said = service.error?.message;
  if (!service.reachable) return said ?? `cannot be reached at ${service.url}`;
  if (service.token_accepted === false) return `refuses the platform's token: ${said ?? 'no reason given'}`;
  if (!service.ready) return said ?? 'is not ready';
  return said ?? null;
}

function findingsOf(service: ServiceView): FoundAt[] {
  return (service.manifest?.findings ?? []).map((finding) => ({ service: service.name, ...finding }));
}

function printFinding(out: Output, { severity, service, table, message, remedy }: FoundAt): void {
  const where = table === null ? service : `${service} ${table}`;
  out.line(`${out.colour(severity.padEnd(8), COLOURS[severity])} ${where}: ${message}`);
  if (remedy) out.line(out.dim(`         ${remedy}`));
}

function mark(out: Output, { name, ok, message }: Check): string {
  const sign = ok ? out.colour('✓', 'green') : out.colour('✗', 'red');
  return `${sign} ${name.padEnd(18)} ${ok ? out.dim(message ?? '') : (message ?? '')}`.trimEnd();
}
