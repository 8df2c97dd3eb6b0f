/** Under which name a tenant appears outside of the records: in workflow ids and search attributes. */
import { createHmac } from 'node:crypto';
import { Problem } from './problems.js';
import { isPublicTenantKey } from './workflow.js';

/**
 * A UUID is shown as it is. Any other key may be a name or an address, so a keyed hash stands for it; without a
 * secret such a tenant is refused. API and worker have to have the same secret.
 */
export function createPublicKeyOf(secret: string | undefined): (tenantId: string) => string {
  return (tenantId) => {
    if (isPublicTenantKey(tenantId)) return tenantId;
    if (secret === undefined) {
      throw new Problem(
        'validation_failed',
        'The tenant id is no UUID. Check it; for tenants that are known by other keys, TENANT_KEY_SECRET has to be configured.',
        { errors: [{ path: 'params.tenant_id', message: 'should be a UUID in lower case' }] },
      );
    }
    return createHmac('sha256', secret).update(tenantId).digest('hex');
  };
}

/** Null where the tenant has no name outside of the records: there is no secret to hash its key with. */
export function publicKeyOrNull(publicKeyOf: (tenantId: string) => string, tenantId: string): string | null {
  try {
    return publicKeyOf(tenantId);
  } catch {
    return null;
  }
}
