/** Parts of a job that stand in its row as JSON: its export, and the services that it went on without. */
import { z } from 'zod';
import { type JobExport, jobExport, type WaiverUse, waiverUse } from '../protocol/portability.js';

const ASKED: JobExport = {
  state: 'asked',
  bytes: null,
  rows: null,
  sha256: null,
  made_at: null,
  expires_at: null,
};

/** Null where none was asked for. */
export function exportOf(row: { readonly options: unknown; readonly export: unknown }): JobExport | null {
  const asked = (row.options as { export?: unknown } | null)?.export === true;
  if (row.export === null) return asked ? ASKED : null;
  const kept = jobExport.parse(row.export);
  const over = kept.state === 'made' && kept.expires_at !== null && Date.parse(kept.expires_at) <= Date.now();
  return over ? { ...kept, state: 'expired' } : kept;
}

const storedUses = z.array(waiverUse);

export function usesOf(stored: unknown): WaiverUse[] {
  return storedUses.parse(stored);
}
