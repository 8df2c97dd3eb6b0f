/** What the platform's API tells about the deployment itself: `GET /services`. */
import { z } from 'zod';
import { serviceName, tableName } from './common.js';
import { manifest } from './participant.js';

/** One service of the registry, as the platform finds it now. */
export const serviceView = z.strictObject({
  name: serviceName,
  role: z.enum(['participant', 'tenant_directory']),
  url: z.string(),
  reachable: z.boolean(),
  /** Whether the service accepted the platform's token. Null where it could not be asked. */
  token_accepted: z.boolean().nullable(),
  /** Whether its database and Lethe's schema there answer (`/readyz`). */
  ready: z.boolean(),
  latency_ms: z.int().nonnegative().nullable(),
  /** Whether every table that holds tenants' rows there is accepted, with a policy. Null where it could not be asked. */
  coverage: z
    .strictObject({
      complete: z.boolean(),
      accepted: z.int().nonnegative(),
      unaccepted: z.array(tableName),
    })
    .nullable(),
  manifest: manifest.nullable(),
  /** What stands in the way, where something does. */
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
});
export type ServiceView = z.infer<typeof serviceView>;

export const servicesView = z.strictObject({ services: z.array(serviceView) });
export type ServicesView = z.infer<typeof servicesView>;

/** `/readyz`: each thing that the process stands on, and whether it answers. */
export const readiness = z.strictObject({
  ready: z.boolean(),
  checks: z.record(z.string(), z.strictObject({ ok: z.boolean(), message: z.string().nullable() })),
});
export type Readiness = z.infer<typeof readiness>;
