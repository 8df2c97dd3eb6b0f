/** A participant that can only count and delete, and that can be away for a while. */
import { SERVICE_TOKEN_ISSUER } from '../../../local/platform-processes.js';
import { freePort } from '../../../local/ports.js';
import { createTestDatabase } from '../../support/postgres.js';
import { type SimpleParticipant, startSimpleParticipant } from '../../support/simple-participant/index.js';

export interface Loyalty extends Pick<SimpleParticipant, 'name' | 'entry' | 'insertCards' | 'countCards'> {
  /** Nobody answers at its address. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
  /** With its database. */
  close(): Promise<void>;
}

/** `jwks` gives the platform's keys, which are made when it starts. */
export async function openLoyalty(jwks: () => string): Promise<Loyalty> {
  const database = await createTestDatabase({ template: 'empty' });
  const port = await freePort();
  const start = () =>
    startSimpleParticipant({
      name: 'loyalty',
      databaseUrl: database.url,
      jwks,
      issuer: SERVICE_TOKEN_ISSUER,
      port,
    });
  let running = await start();
  return {
    name: running.name,
    entry: running.entry,
    insertCards: (tenantId, rows) => running.insertCards(tenantId, rows),
    countCards: (tenantId) => running.countCards(tenantId),
    leave: () => running.close(),
    async comeBack() {
      running = await start();
    },
    async close() {
      await running.close();
      await database.drop();
    },
  };
}
