import { type JobView, jobView } from '../../protocol/jobs.js';
import type { Command, CommandContext } from '../context.js';
import { EXIT } from '../exit-codes.js';

export interface VerdictOptions {
  readonly hash: string;
  readonly reason: string;
}

/** `lethe jobs approve ID`: exactly what the hash stands for; never by who asked. */
export const approveJob: Command<VerdictOptions, [id: string]> = async (context, options, id) => {
  const job = await say(context, 'approve', id, options);
  const until = job.approvals.at(-1)?.expires_at;
  context.out.line(`Approved${until ? `, until ${until}` : ''}. Follow it with: lethe jobs watch ${id}`);
  return EXIT.ok;
};

/** `lethe jobs reject ID`: the job ends, and nothing is deleted. */
export const rejectJob: Command<VerdictOptions, [id: string]> = async (context, options, id) => {
  await say(context, 'reject', id, options);
  context.out.line('Rejected. Nothing is deleted; what was moved comes back.');
  return EXIT.ok;
};

async function say(
  { api, out }: CommandContext,
  verdict: 'approve' | 'reject',
  id: string,
  { hash, reason }: VerdictOptions,
): Promise<JobView> {
  const path = `/api/v1/deletion-jobs/${encodeURIComponent(id)}/${verdict}`;
  const job = await api.call(jobView, 'POST', path, { approval_hash: hash, reason });
  out.document(job);
  return job;
}
