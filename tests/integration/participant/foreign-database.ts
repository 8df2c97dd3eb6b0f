/** A database that knows nothing of Lethe, and what a team does with it. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createEngine } from '../../../erasure/engine.js';
import { ident } from '../../../erasure/quote.js';
import type { ServiceClient } from '../../../protocol/client.js';
import { engineParticipant } from '../../../services/engine-participant.js';
import { declarationOf } from '../../../services/participant-file/declaration.js';
import { readParticipant } from '../../../services/participant-file/files.js';
import type { ParticipantFile } from '../../../services/participant-file/schema.js';
import { type CliRun, lethe } from '../../support/cli.js';
import { createTestDatabase } from '../../support/postgres.js';
import { serveParticipant, type TestService } from '../../support/service-server.js';
import { withSuperuser } from '../../support/test-databases.js';

export interface ForeignDatabase {
  readonly admin: pg.Client;
  /** Of the role that Lethe is given; it has what `lethe grants` prints, and nothing else. */
  readonly role: string;
  readonly url: string;
  readonly roleUrl: string;
  readonly directory: string;
  /** The participant's file. */
  readonly path: string;
  file(): ParticipantFile;
  /** Changes the file as a person would. */
  edit(change: (file: ParticipantFile) => unknown): void;
  /** A command, as a superuser or, once there are grants, as the role. */
  cli(
    words: readonly string[],
    options?: { as?: 'admin' | 'role'; typed?: readonly string[] },
  ): Promise<CliRun>;
  /** Runs what `lethe grants` prints. */
  grant(): Promise<void>;
  serve(): Promise<TestService>;
  /** A further superuser's connection. */
  connect(): Promise<pg.Client>;
  drop(): Promise<void>;
}

/** `name`: of the participant; its database URL is in `<NAME>_DATABASE_URL`. */
export async function createForeignDatabase(schema: string, name = 'crm'): Promise<ForeignDatabase> {
  const database = await createTestDatabase({ template: 'empty' });
  const role = `lethe_foreign_${randomUUID().slice(0, 8)}`;
  const directory = mkdtempSync(join(tmpdir(), 'lethe-participant-'));
  const path = join(directory, `${name}.json`);
  const admin = new pg.Client(database.url);
  admin.on('error', () => undefined);
  await admin.connect();
  await admin.query(`CREATE ROLE ${ident(role)} LOGIN PASSWORD '${role}'`);
  await admin.query(schema);
  const services: TestService[] = [];
  const clients: pg.Client[] = [];
  const urls = { admin: database.url, role: database.urlFor(role) };
  const cli: ForeignDatabase['cli'] = (words, { as = 'admin', typed } = {}) =>
    lethe(words, {
      databaseUrls: { [`${name.toUpperCase()}_DATABASE_URL`]: urls[as] },
      ...(typed && { typed }),
    });
  return {
    admin,
    role,
    url: urls.admin,
    roleUrl: urls.role,
    directory,
    path,
    cli,
    file: () => JSON.parse(readFileSync(path, 'utf8')) as ParticipantFile,
    edit: (change) => {
      const file = JSON.parse(readFileSync(path, 'utf8')) as ParticipantFile;
      change(file);
      writeFileSync(path, JSON.stringify(file));
    },
    grant: async () => {
      const { out } = await cli(['grants', '--config', path, '--role', role]);
      await admin.query(out);
    },
    serve: async () => {
      const file = await readParticipant(path);
      const engine = createEngine({
        databaseUrl: urls.role,
        declaration: declarationOf(file),
        limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000 },
      });
      const service = await serveParticipant(
        engineParticipant({ name: file.name, fence: file.fence, engine }),
      );
      services.push(service);
      return service;
    },
    connect: async () => {
      const client = new pg.Client(database.url);
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    drop: async () => {
      await Promise.all(clients.map((client) => client.end()));
      await Promise.all(services.map((service) => service.close()));
      await admin.end();
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
      const server = new URL(database.url);
      server.pathname = '/postgres';
      await withSuperuser(server.href, async (client) => {
        await client.query(`DROP ROLE IF EXISTS ${ident(role)}`);
      });
    },
  };
}

/** Asks over HTTP until the state is there. */
export async function reachOver(
  client: ServiceClient,
  tenantId: string,
  jobId: string,
  target: 'staged' | 'restored' | 'purged',
) {
  const params = { tenant_id: tenantId, job_id: jobId };
  const { plan_hash } = await client.call('preview', { params: { tenant_id: tenantId } });
  for (let requests = 0; requests < 20; requests++) {
    const body = { target, time_budget_ms: 5_000, ...(target === 'staged' && { plan_hash }) };
    const status = await client.call('advance', { params, body });
    if (status.state === target) return status;
  }
  throw new Error(`The job did not become ${target} within 20 requests.`);
}
