/** Digests of a job's archives, as the ledger keeps them. */

/** Four unsigned sums of 64 bits, in decimals: digests of rows, added up lane by lane. */
export type Lanes = readonly [string, string, string, string];

export interface ArchiveDigest {
  /** The table as people write its name. */
  readonly table: string;
  readonly rows: number;
  /** Rows of the archive, by the ledger, when it was digested: where that has changed since, it is digested anew. */
  readonly of: number;
  readonly lanes: Lanes;
  /** Over the rows as an export writes them; null where nobody asked for it. */
  readonly exported: Lanes | null;
  /** The first block that is not digested yet; null once the whole archive is. */
  readonly next: number | null;
}

export interface Digests {
  /** Secret of this job, in hex: without it nobody can try out what a row may have held. */
  readonly key: string;
  /** By the archive's name. */
  readonly archives: Readonly<Record<string, ArchiveDigest>>;
}

/** What is told of one table. */
export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  /** In hex. */
  readonly digest: string;
  readonly exported?: string;
}
