/** Ports of this machine. */
import { createServer } from 'node:net';

/** A port that nobody has. Whoever starts something there should do it soon. */
export async function freePort(): Promise<number> {
  const server = await listen(0);
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('The system gave no free port.');
  return address.port;
}

/** Several, all different. */
export async function freePorts(count: number): Promise<number[]> {
  // Held open together: one after the other, the system may give the same port twice.
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      if (address === null || typeof address === 'string') throw new Error('The system gave no free port.');
      return address.port;
    }),
  );
}

/** Whether a program could listen on this port now. */
export async function isFree(port: number): Promise<boolean> {
  try {
    const server = await listen(port);
    await new Promise((resolve) => server.close(resolve));
    return true;
  } catch {
    return false;
  }
}

function listen(port: number) {
  return new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
