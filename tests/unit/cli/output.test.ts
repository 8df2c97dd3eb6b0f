import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createOutput } from '../../../cli/output.js';

function output(
  options: { json?: boolean; colours?: boolean; terminal?: { columns: number; rows: number } } = {},
) {
  const written: string[] = [];
  const out = createOutput({
    json: options.json ?? false,
    colours: options.colours ?? false,
    stream: {
      write: (text: string) => void written.push(text),
      ...(options.terminal && { isTTY: true, ...options.terminal }),
    },
  });
  return { out, text: () => written.join('') };
}

describe('output', () => {
  it('is one JSON document for scripts, and nothing else', () => {
    const { out, text } = output({ json: true, terminal: { columns: 80, rows: 24 } });
    out.line('for people');
    out.table(['a'], [['for people']]);
    out.document({ job: 1 });
    expect(JSON.parse(text())).toEqual({ job: 1 });
    expect(out.screen).toBeNull();
  });

  it('is text for people, and no document', () => {
    const { out, text } = output();
    out.document({ job: 1 });
    out.line('for people');
    expect(text()).toBe('for people\n');
  });

  it('puts tables in columns, numbers to the right, whatever colours they have', () => {
    const { out, text } = output({ colours: true });
    out.table(
      ['service', 'rows'],
      [
        [out.colour('orders', 'green'), 1_234_567],
        ['pos', 5],
      ],
    );
    const lines = stripVTControlCharacters(text()).split('\n');
    expect(lines).toEqual(['service       rows', 'orders   1,234,567', 'pos              5', '']);
  });

  it('has no colours where none are wanted', () => {
    const { out } = output({ colours: false });
    expect([out.strong('a'), out.dim('b'), out.colour('c', 'red')]).toEqual(['a', 'b', 'c']);
  });
});

describe('the picture on a terminal', () => {
  it('is drawn over the one before, and taken away at the end', () => {
    const { out, text } = output({ terminal: { columns: 80, rows: 24 } });
    out.screen?.draw(['one', 'two']);
    out.screen?.draw(['three']);
    out.screen?.clear();
    expect(text()).toBe('one\ntwo\n\u001b[2A\u001b[0Jthree\n\u001b[1A\u001b[0J');
  });

  it('never wraps a line or leaves the screen, or it could not be taken away', () => {
    const { out, text } = output({ colours: true, terminal: { columns: 20, rows: 5 } });
    out.screen?.draw([
      out.colour('x'.repeat(50), 'red'),
      ...Array.from({ length: 30 }, (_, index) => `line ${index}`),
    ]);
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe(`${'x'.repeat(18)}…`);
    expect(lines[3]).toBe('… and 28 more lines'.slice(0, 19));
  });

  it('is not drawn in a pipe', () => {
    expect(output().out.screen).toBeNull();
  });
});
