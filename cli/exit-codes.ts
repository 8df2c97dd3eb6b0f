/** What the exit status of `lethe` says; documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** The API refused, or something unexpected happened. */
  failed: 1,
  /** Wrong options or arguments. */
  usage: 2,
  /** The deletion ended without deleting: compensated, cancelled or refused. */
  notDeleted: 3,
  /** A job needs a person. */
  needsAttention: 4,
  /** The API could not be reached. */
  unreachable: 5,
} as const;
