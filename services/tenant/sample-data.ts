import type { SampleRow } from '../sample-data/row.js';
import type { ServiceSample } from '../sample-data/types.js';

const TENANTS = 'tenant.tenants';
const MEMBERS = 'tenant.tenant_members';
/** Each member is a user. */
const MEMBERS_SIZE = { share: 0.5, atLeast: 3, atMost: 24 };

function person(row: SampleRow): string {
  const { people } = row.pools;
  return people[Math.floor(row.tenant.draw('tenant.users', row.index) * people.length)] ?? '';
}

/** Only what an address and a slug may hold. */
function plain(text: string, separator: string): string {
  const words = text
    .normalize('NFD')
    .replace(/\p{Diacritic}/gu, '')
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  return (words ?? []).join(separator);
}

function role(row: SampleRow): string {
  if (row.index === 0) return 'owner';
  return row.index === 1 || row.index % 7 === 6 ? 'admin' : 'member';
}

export const tenant: ServiceSample = {
  service: 'tenant',
  tables: [
    {
      name: TENANTS,
      size: { exactly: 1 },
      columns: {
        id: (row) => row.tenantId,
        name: (row) => row.tenant.name,
        slug: (row) => `${plain(row.tenant.name, '-')}-${row.tenantId.slice(0, 8)}`,
        plan: (row) => row.pick(['starter', 'professional', 'enterprise']),
        city: (row) => row.pick(['Madrid', 'Barcelona', 'Valencia', 'Sevilla', 'Bilbao']),
        settings: (row) =>
          `{"language": "es", "opens_at": "0${row.int(5, 8)}:30", "sells_online": ${row.chance(0.5)}}`,
        created_at: () => new Date('2025-11-03T09:00:00Z'),
      },
    },
    {
      name: 'tenant.users',
      size: MEMBERS_SIZE,
      counted: false,
      columns: {
        id: (row) => row.id,
        email: (row) => `${plain(person(row), '.')}.${row.id.slice(0, 8)}@bakery.example`,
        name: person,
        locale: (row) => row.pick(['es', 'ca', 'en']),
        last_login_at: (row) => row.unlessEvery(3, () => new Date(row.time)),
        created_at: () => new Date('2025-11-03T09:00:00Z'),
      },
    },
    {
      name: MEMBERS,
      size: MEMBERS_SIZE,
      columns: {
        tenant_id: (row) => row.tenantId,
        user_id: (row) => row.userId(row.index),
        role,
        since: (row) => new Date(row.time),
      },
    },
  ],
};
