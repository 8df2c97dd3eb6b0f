import { type ServiceWaiver, serviceWaiver, serviceWaivers } from '../../protocol/portability.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';

const pathOf = (service: string) => `/api/v1/services/${encodeURIComponent(service)}/waive`;
const waiverPath = (service: string, id: string) => `${pathOf(service)}/${encodeURIComponent(id)}`;

export interface WaiveOptions {
  readonly reason: string;
  readonly job?: string;
}

/** `lethe waivers ask SERVICE`. */
export const askWaiver: Command<WaiveOptions, [service: string]> = async ({ api, out }, options, service) => {
  const waiver = await api.call(serviceWaiver, 'POST', pathOf(service), {
    reason: options.reason,
    ...(options.job === undefined ? {} : { job_id: options.job }),
  });
  out.document(waiver);
  out.line(`Asked for waiver ${out.strong(waiver.waiver_id)} of ${service}; it counts for nothing yet.`);
  out.line(`Somebody else approves it: lethe waivers approve ${service} ${waiver.waiver_id}`);
  return EXIT.ok;
};

/** `lethe waivers approve SERVICE WAIVER`. */
export const approveWaiver: Command<object, [service: string, waiver: string]> = async (
  { api, out },
  _options,
  service,
  id,
) => {
  const waiver = await api.call(serviceWaiver, 'POST', `${waiverPath(service, id)}/approve`, {});
  out.document(waiver);
  out.line(`Approved. ${scopeOf(waiver)} without ${service} from now on, and says so.`);
  return EXIT.ok;
};

/** `lethe waivers withdraw SERVICE WAIVER`. */
export const withdrawWaiver: Command<object, [service: string, waiver: string]> = async (
  { api, out },
  _options,
  service,
  id,
) => {
  const waiver = await api.call(serviceWaiver, 'POST', `${waiverPath(service, id)}/withdraw`, {});
  out.document(waiver);
  out.line('Withdrawn. Jobs that went on by it before keep saying so.');
  return EXIT.ok;
};

/** `lethe waivers list SERVICE`. */
export const listWaivers: Command<object, [service: string]> = async ({ api, out }, _options, service) => {
  const { waivers } = await api.call(serviceWaivers, 'GET', pathOf(service));
  out.document({ waivers });
  if (waivers.length === 0) {
    out.line(`Nobody has waived ${service}.`);
    return EXIT.ok;
  }
  out.table(
    ['waiver', 'for', 'state', 'asked by', 'reason'],
    waivers.map((one) => [
      one.waiver_id,
      one.job_id ?? 'every job',
      stateOf(one),
      one.requested_by,
      one.reason,
    ]),
  );
  return EXIT.ok;
};

function scopeOf({ job_id }: ServiceWaiver): string {
  return job_id === null ? 'Every job goes on' : `Job ${job_id} goes on`;
}

function stateOf({ withdrawn_at, approved_at, used_at }: ServiceWaiver): string {
  if (withdrawn_at !== null) return 'withdrawn';
  if (used_at !== null) return 'used';
  return approved_at === null ? 'waits for approval' : 'approved';
}
