import { type DeletionOptions, jobView } from '../../protocol/jobs.js';
import { confirmedName } from '../confirm-name.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { watchJob } from '../watch.js';

export interface DeleteOptions {
  readonly reason?: string;
  readonly startAt?: string;
  readonly restoreWindow?: string;
  readonly previewHash?: string;
  readonly dueAt?: string;
  readonly confirmName?: string;
  readonly requireApproval?: boolean;
  readonly export?: boolean;
  readonly watch: boolean;
}

/** `lethe delete TENANT`: starts the saga, and stays with it unless told not to. */
export const deleteTenant: Command<DeleteOptions, [tenant: string]> = async (context, options, tenant) => {
  const { api, out } = context;
  const confirmName = options.confirmName ?? (await confirmedName(context, tenant));
  const wanted: DeletionOptions = {
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.startAt === undefined ? {} : { start_at: options.startAt }),
    ...(options.restoreWindow === undefined ? {} : { restore_window: options.restoreWindow }),
    ...(options.previewHash === undefined ? {} : { preview_hash: options.previewHash }),
    ...(options.dueAt === undefined ? {} : { due_at: options.dueAt }),
    ...(confirmName === undefined ? {} : { confirm_name: confirmName }),
    ...(options.requireApproval && { require_approval: true }),
    ...(options.export && { export: true }),
  };
  const path = `/api/v1/tenants/${encodeURIComponent(tenant)}/deletion-jobs`;
  const job = await api.call(jobView, 'POST', path, wanted);
  out.line(`Deletion job ${out.strong(job.job_id)} of tenant ${tenant} is accepted.`);
  if (!options.watch) {
    out.document(job);
    out.line(`Follow it with: lethe jobs watch ${job.job_id}`);
    return EXIT.ok;
  }
  out.line();
  return watchJob({ api, out }, job.job_id);
};
