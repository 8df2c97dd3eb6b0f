import { describe, expect, it } from 'vitest';
import { sharedReads } from '../../../records/shared-reads.js';

/** Reads that end when they are told to. */
function heldReads() {
  const open: { id: string; end: (value: string) => void; fail: (error: Error) => void }[] = [];
  const read = (id: string) =>
    new Promise<string>((end, fail) => {
      open.push({ id, end, fail });
    });
  const at = (place: number) => {
    const one = open[place];
    if (one === undefined) throw new Error(`There is no read number ${place}.`);
    return one;
  };
  return { read: sharedReads(read), open, at };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('reads that many ask for at once', () => {
  it('are one read for those who ask before it begins', async () => {
    const { read, open, at } = heldReads();
    const answers = Promise.all([read('a'), read('a'), read('a')]);
    await settle();
    expect(open).toHaveLength(1);
    at(0).end('value');
    expect(await answers).toEqual(['value', 'value', 'value']);
  });

  it('give nobody an answer from before the question', async () => {
    const { read, open, at } = heldReads();
    const first = read('a');
    await settle();
    const later = [read('a'), read('a')];
    at(0).end('old');
    await settle();
    expect(open).toHaveLength(2);
    at(1).end('new');
    expect(await first).toBe('old');
    expect(await Promise.all(later)).toEqual(['new', 'new']);
  });

  it('do not wait for a read that hangs', async () => {
    const { read, open, at } = heldReads();
    const hanging = read('a');
    await settle();
    const later = read('a');
    await expect.poll(() => open.length).toBe(2);
    at(1).end('value');
    expect(await later).toBe('value');
    at(0).fail(new Error('too late'));
    await expect(hanging).rejects.toThrow('too late');
  });

  it('fail together, and are tried anew afterwards', async () => {
    const { read, open, at } = heldReads();
    const both = Promise.allSettled([read('a'), read('a')]);
    await settle();
    at(0).fail(new Error('away'));
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = read('a');
    await settle();
    expect(open).toHaveLength(2);
    at(1).end('value');
    expect(await again).toBe('value');
  });

  it('have nothing to do with reads of another job', async () => {
    const { read, open } = heldReads();
    void read('a');
    void read('b');
    await settle();
    expect(open.map(({ id }) => id)).toEqual(['a', 'b']);
  });
});
