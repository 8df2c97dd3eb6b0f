import { type LegalHold, legalHold, legalHolds } from '../../protocol/gate.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';

const holdsPath = (tenant: string) => `/api/v1/tenants/${encodeURIComponent(tenant)}/legal-holds`;

export interface PlaceOptions {
  readonly reason: string;
  readonly retainedRows?: boolean;
}

/** `lethe holds place TENANT`: nothing of the tenant is deleted while it stands. */
export const placeHold: Command<PlaceOptions, [tenant: string]> = async (
  { api, out },
  { reason, retainedRows },
  tenant,
) => {
  const hold = await api.call(legalHold, 'POST', holdsPath(tenant), {
    reason,
    ...(retainedRows && { retained_rows: true }),
  });
  out.document(hold);
  out.line(`Hold ${out.strong(hold.hold_id)} stands since ${hold.placed_at}.`);
  return EXIT.ok;
};

/** `lethe holds list TENANT`: all of them, newest first. */
export const listHolds: Command<object, [tenant: string]> = async ({ api, out }, _options, tenant) => {
  const found = await api.call(legalHolds, 'GET', holdsPath(tenant));
  out.document(found);
  if (found.holds.length === 0) {
    out.line('No hold was ever placed on this tenant.');
    return EXIT.ok;
  }
  out.table(
    ['hold', 'placed', 'by', 'reason', 'lifted'],
    found.holds.map((hold) => [
      hold.hold_id,
      hold.placed_at,
      hold.placed_by,
      hold.reason,
      liftedText(hold) ?? out.colour('stands', 'yellow'),
    ]),
  );
  return EXIT.ok;
};

/** `lethe holds lift ID`. */
export const liftHold: Command<{ readonly reason: string }, [hold: string]> = async (
  { api, out },
  { reason },
  id,
) => {
  const path = `/api/v1/legal-holds/${encodeURIComponent(id)}?reason=${encodeURIComponent(reason)}`;
  const hold = await api.call(legalHold, 'DELETE', path);
  out.document(hold);
  out.line(`Hold ${hold.hold_id} was lifted at ${hold.lifted_at}. Whatever waited for it goes on by itself.`);
  return EXIT.ok;
};

function liftedText({ lifted_at, lifted_by, lift_reason }: LegalHold): string | null {
  return lifted_at === null ? null : `${lifted_at} by ${lifted_by}: ${lift_reason}`;
}
