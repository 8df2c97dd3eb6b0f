/** How far a step is: a bar on a terminal, a line now and then in a pipe. */
import type { LedgerStatus, Target } from '../../erasure/engine-types.js';
import { count, type Output } from '../output.js';

const BAR_WIDTH = 30;

export interface Progress {
  at(status: LedgerStatus, expected: number): void;
  end(): void;
}

export function showProgress(out: Output, target: Target): Progress {
  const began = Date.now();
  let last = '';
  return {
    at(status, expected) {
      const total = Math.max(status.rowsTotal ?? expected, status.rowsDone, 1);
      const seconds = Math.round((Date.now() - began) / 1_000);
      const rows = `${status.state} ${count(status.rowsDone)} of ${count(total)} rows`;
      const wait =
        status.waitingFor === null
          ? null
          : `waits: ${status.waitingFor.reason} ${status.waitingFor.blockers.join(', ')}`;
      if (out.screen) {
        out.screen.draw([
          `${target}  ${bar(out, status.rowsDone / total)}  ${rows}, ${seconds} s`,
          ...(wait === null ? [] : [out.colour(wait, 'yellow')]),
        ]);
        return;
      }
      const line = wait ?? rows;
      if (line === last) return;
      last = line;
      out.line(`${String(seconds).padStart(5)}s  ${line}`);
    },
    end: () => out.screen?.clear(),
  };
}

function bar(out: Output, share: number): string {
  const full = Math.round(Math.min(1, share) * BAR_WIDTH);
  return `${out.colour('█'.repeat(full), 'cyan')}${out.dim('░'.repeat(BAR_WIDTH - full))}`;
}
