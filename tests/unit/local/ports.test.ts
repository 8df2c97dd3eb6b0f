import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, freePorts, freeRange } from '../../../local/ports.js';

const servers: Server[] = [];
afterEach(() => Promise.all(servers.splice(0).map((one) => new Promise((done) => one.close(done)))));

function listen(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

describe('free ports', () => {
  it('are none that the system may give to somebody else meanwhile, and none twice', async () => {
    const ports = [...(await freePorts(20)), await freePort(), await freePort()];
    expect(new Set(ports).size).toBe(ports.length);
    expect(ports.filter((port) => port < 20_000 || port >= 32_768)).toEqual([]);
  });

  it('leave out a range in which somebody listens', async () => {
    const taken = (await freePort()) + 3;
    await listen(taken);
    const first = await freeRange(5);
    expect(first).toBeGreaterThan(taken);
    for (let port = first; port < first + 5; port += 1) await listen(port);
  });
});
