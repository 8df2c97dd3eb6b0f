/** What a check of the audit trail finds. */
export type AuditFault =
  | 'unreadable'
  | 'changed'
  | 'removed'
  | 'reordered'
  | 'inserted'
  | 'exchanged'
  | 'cut'
  | 'rewritten'
  | 'head_invalid'
  | 'head_missing';

export interface AuditFinding {
  readonly fault: AuditFault;
  readonly chain: string | null;
  readonly position: number | null;
  /** In the file, from 1; null where it is about what is not there. */
  readonly line: number | null;
  readonly why: string;
}
