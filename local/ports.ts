/** Ports of this machine. */
import { createServer } from 'node:net';

// Below what systems give to outgoing connections (from 32768 on): a port that is free now is so when it is listened on.
const FIRST = 20_000;
const LAST = 31_999;
/** Processes that start at the same time look in different places. */
const STRIDE = 61;

let next = FIRST + ((process.pid * STRIDE) % (LAST - FIRST));

/** A port that nobody has. */
export function freePort(): Promise<number> {
  return freeRange(1);
}

/** Several, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** A port with as many free ones after it that they are `count` together; no port is given twice. */
export async function freeRange(count: number): Promise<number> {
  for (let looked = 0; looked < LAST - FIRST; looked += count) {
    if (next + count > LAST) next = FIRST;
    const range = Array.from({ length: count }, (_, index) => next + index);
    next += count;
    if ((await Promise.all(range.map(isFree))).every(Boolean)) return range[0] ?? 0;
  }
  throw new Error(`Of the ports ${FIRST} to ${LAST}, no ${count} in a row are free.`);
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
