/** The login roles that migrations grant to. They belong to the cluster, so they are made before any migration. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface CreateRolesOptions {
  /** Connection of a role that may create roles. */
  readonly databaseUrl: string;
  readonly roles: readonly string[];
  /** Null: the role is there for rights to be granted to, and nobody logs in as it yet. */
  readonly passwordOf: (role: string) => string | null;
}

// Roles are rows of one shared catalog. An advisory lock holds in one database alone, and whoever changes the same
// roles through another database at the same time gets one of these: "tuple concurrently updated", or a duplicate.
const CHANGED_BY_ANOTHER = new Set(['XX000', '23505', '42710']);
const MOST_ATTEMPTS = 20;
const LONGEST_PAUSE_MS = 200;

/** Makes each role, or sets the password of one that exists. A role may log in, and nothing else. */
export async function createRoles(options: CreateRolesOptions): Promise<void> {
  const client = new pg.Client({
    connectionString: options.databaseUrl,
    application_name: 'lethe roles',
  });
  await client.connect();
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await setRoles(client, options);
      } catch (error) {
        await client.query('ROLLBACK');
        const { code } = error as { code?: unknown };
        if (!CHANGED_BY_ANOTHER.has(String(code)) || attempt === MOST_ATTEMPTS) throw error;
      }
      await sleep(Math.random() * LONGEST_PAUSE_MS);
    }
  } finally {
    await client.end();
  }
}

/** All or none. */
async function setRoles(client: pg.Client, { roles, passwordOf }: CreateRolesOptions): Promise<void> {
  await client.query('BEGIN');
  const { rows } = await client.query<{ rolname: string }>(
    'SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)',
    [roles],
  );
  const existing = new Set(rows.map((row) => row.rolname));
  for (const role of roles) {
    const verb = existing.has(role) ? 'ALTER' : 'CREATE';
    const password = passwordOf(role);
    if (password === null) {
      if (verb === 'CREATE') await client.query(`CREATE ROLE ${pg.escapeIdentifier(role)} NOLOGIN`);
      continue;
    }
    const verifier = pg.escapeLiteral(scramVerifier(password));
    await client.query(`${verb} ROLE ${pg.escapeIdentifier(role)} LOGIN PASSWORD ${verifier}`);
  }
  await client.query('COMMIT');
}

/** What PostgreSQL keeps of a password. Made here, so that no password stands in a statement or in the server's log. */
export function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const storedKey = createHash('sha256').update(keyed(salted, 'Client Key')).digest('base64');
  const serverKey = keyed(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

function keyed(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
