/** The digest of exported rows, as the ledger has it: docs/protocol.md says how it is made. */
import { createHash } from 'node:crypto';

const LANES = [0, 8, 16, 24] as const;

export class RowDigest {
  private readonly sums = [0n, 0n, 0n, 0n];

  constructor(private readonly key: Buffer) {}

  add(row: Uint8Array): void {
    const hash = createHash('sha256').update(this.key).update(row).digest();
    for (const [place, offset] of LANES.entries()) {
      this.sums[place] = BigInt.asUintN(64, (this.sums[place] ?? 0n) + hash.readBigUInt64BE(offset));
    }
  }

  get hex(): string {
    return this.sums.map((sum) => sum.toString(16).padStart(16, '0')).join('');
  }
}
