import { readiness, type ServiceView, servicesView } from '../../protocol/platform.js';
import { ApiRefusal } from '../api-client.js';
import type { Command, CommandContext } from '../context.js';
import { EXIT } from '../exit-codes.js';

/** `lethe doctor`: whether a deletion would find everything it needs. `--quick` leaves the plans' findings out. */
export const doctor: Command<{ quick?: boolean }> = async (context, options) => {
  const { api, out } = context;
  const platform = await platformChecks(context);
  const { services } = await api.call(servicesView, 'GET', '/api/v1/services');
  const findings = options.quick ? [] : services.flatMap(findingsOf);
  const sick = services.filter((service) => faultOf(service) !== null);
  const refusals = findings.filter((finding) => finding.severity === 'refusal');
  const healthy = platform.every((check) => check.ok) && sick.length === 0 && refusals.length === 0;

  out.document({ healthy, platform, services, findings });
  for (const check of platform) out.line(mark(context, check.ok, check.name, check.message));
  out.line();
  for (const service of services) {
    const fault = faultOf(service);
    const detail =
      fault ??
      `${service.latency_ms ?? 0} ms, ${service.manifest?.tables.length ?? 0} tables, fence: ${service.manifest?.fence ?? 'unknown'}`;
    out.line(mark(context, fault === null, service.name, detail));
  }
  if (findings.length > 0) out.line();
  for (const finding of findings) {
    const colour =
      finding.severity === 'refusal' ? 'red' : finding.severity === 'warning' ? 'yellow' : 'cyan';
    out.line(
      `${out.colour(finding.severity, colour)}  ${finding.service} ${finding.table ?? ''}: ${finding.message}`,
    );
    out.line(out.dim(`         ${finding.remedy}`));
  }
  out.line(
    `\n${healthy ? out.colour('Ready: a deletion would find everything it needs.', 'green') : out.colour('Not ready.', 'red')}`,
  );
  return healthy ? EXIT.ok : EXIT.failed;
};

async function platformChecks({ api }: CommandContext) {
  // Not being ready is an answer here (503 with the same body), not a failure of the command.
  const found = await api.call(readiness, 'GET', '/readyz').catch((error: unknown) => {
    const body = error instanceof ApiRefusal ? readiness.safeParse(error.document) : null;
    if (body?.success) return body.data;
    throw error;
  });
  return Object.entries(found.checks).map(([name, check]) => ({ name, ...check }));
}

function faultOf(service: ServiceView): string | null {
  if (!service.reachable) return service.error?.message ?? 'cannot be reached';
  if (service.token_accepted === false) return service.error?.message ?? "refuses the platform's token";
  if (!service.ready) return service.error?.message ?? 'is not ready';
  return service.error?.message ?? null;
}

function findingsOf(service: ServiceView) {
  return (service.manifest?.findings ?? []).map((finding) => ({ service: service.name, ...finding }));
}

function mark({ out }: CommandContext, ok: boolean, name: string, detail: string | null): string {
  return `${ok ? out.colour('✓', 'green') : out.colour('✗', 'red')} ${name.padEnd(18)} ${ok ? out.dim(detail ?? '') : (detail ?? '')}`;
}
