/** The tenant's key as PostgreSQL would write it, so that one tenant has one key. */
import type { Declaration } from './declaration.js';
import { EngineError } from './engine-types.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const LARGEST = { integer: 2n ** 31n, bigint: 2n ** 63n };

/** Throws `invalid_tenant_id` where the key is not of the declared type, or is written as nobody would write it. */
export function tenantKey(tenantId: string, type: Declaration['tenant']['type']): string {
  const key = canonical(tenantId, type);
  if (key === null) {
    throw new EngineError(
      'invalid_tenant_id',
      `The tenant's key is not a valid ${type}; tenants of this service are known by ${type}${type.endsWith('int') || type === 'integer' ? ', written without sign or zeros that mean nothing' : ''}.`,
    );
  }
  return key;
}

function canonical(text: string, type: Declaration['tenant']['type']): string | null {
  if (type === 'uuid') return UUID.test(text) ? text.toLowerCase() : null;
  if (type === 'text') return text === '' || text.includes('\0') ? null : text;
  // `01` would be another tenant wherever a key is compared as text: in the records, in names of runs.
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return null;
  const value = BigInt(text);
  return value >= -LARGEST[type] && value < LARGEST[type] ? String(value) : null;
}
