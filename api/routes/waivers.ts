/** Going on without a service that does not exist any more: asked for by one person, approved by another. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { serviceName } from '../../protocol/common.js';
import { hasEnded, type JobView } from '../../protocol/jobs.js';
import { type ServiceWaiver, serviceWaiver, serviceWaivers } from '../../protocol/portability.js';
import { Problem } from '../../protocol/problems.js';
import { actorOf, callerOf } from '../auth.js';
import { jobId, text } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { createTell } from '../tell-temporal.js';
import { noBody, problems, type RouteParts, typed } from './parts.js';

const serviceParams = z.strictObject({ name: serviceName });
const waiverParams = z.strictObject({ name: serviceName, waiver_id: z.uuid() });
const tags = ['waivers'];

export function waiverRoutes(app: FastifyInstance, parts: RouteParts): void {
  const { records, runs } = parts;
  const tell = createTell(parts);

  typed(app).post(
    '/services/:name/waive',
    {
      schema: {
        summary: 'Asks that jobs, or one job, go on without a service; it counts once somebody else approves',
        tags,
        params: serviceParams,
        body: z.strictObject({ reason: text(1_000), job_id: jobId.optional() }),
        response: { 201: serviceWaiver, ...problems },
      },
    },
    async (request, reply) => {
      demand('waive', staffStandings(callerOf(request)));
      const { name: service } = request.params;
      const { reason, job_id = null } = request.body;
      const job = job_id === null ? null : await records.getJob(job_id);
      if (job !== null && hasEnded(job.status)) {
        throw new Problem('job_ended', `The job has ended ${job.status}.`, {
          state: job.status,
          job_id: job.job_id,
        });
      }
      await demandKnown(service, job);
      void reply.status(201);
      return records.requestWaiver({ service, jobId: job_id, reason, actor: actorOf(request) });
    },
  );

  typed(app).post(
    '/services/:name/waive/:waiver_id/approve',
    {
      schema: {
        summary: 'Approves a waiver that somebody else has asked for; jobs that wait for the service go on',
        tags,
        params: waiverParams,
        body: noBody,
        response: { 200: serviceWaiver, ...problems },
      },
    },
    async (request) => {
      demand('approve_waiver', staffStandings(callerOf(request)));
      const { name: service, waiver_id: waiverId } = request.params;
      const actor = actorOf(request);
      const waiver = await records.approveWaiver(service, waiverId, actor);
      for (const job of await waitingFor(waiver)) {
        // It may have gone on by itself meanwhile.
        const asked = await records.requestReplay(job.job_id, actor).catch(ignoreProblem);
        if (asked) await tell(asked, 'replay', () => runs.wake(asked, 'replay'));
      }
      return waiver;
    },
  );

  typed(app).post(
    '/services/:name/waive/:waiver_id/withdraw',
    {
      schema: {
        summary: 'Withdraws a waiver; 409 once the job that it is for has gone on by it',
        tags,
        params: waiverParams,
        body: noBody,
        response: { 200: serviceWaiver, ...problems },
      },
    },
    async (request) => {
      demand('waive', staffStandings(callerOf(request)));
      const { name, waiver_id } = request.params;
      return records.withdrawWaiver(name, waiver_id, actorOf(request));
    },
  );

  typed(app).get(
    '/services/:name/waive',
    {
      schema: {
        summary: 'The waivers of a service, newest first',
        tags,
        params: serviceParams,
        response: { 200: serviceWaivers, ...problems },
      },
    },
    async (request) => {
      demand('see_services', staffStandings(callerOf(request)));
      return { waivers: await records.listWaivers(request.params.name) };
    },
  );

  /** A name that nothing was ever called waives nothing, and would look as if it did. */
  async function demandKnown(service: string, job: JobView | null): Promise<void> {
    const registered = parts.services.some((client) => client.service.name === service);
    if (registered || job?.services.some(({ name }) => name === service)) return;
    const { jobs } = await records.listJobs({ service, limit: 1 });
    if (jobs.length > 0) return;
    const message = 'is in no registry and in no job';
    throw new Problem('validation_failed', `There is no service ${service}.`, {
      errors: [{ path: 'params.name', message }],
    });
  }

  async function waitingFor({ service, job_id }: ServiceWaiver): Promise<JobView[]> {
    if (job_id !== null) {
      const job = await records.getJob(job_id);
      return job.status === 'needs_attention' ? [job] : [];
    }
    const filter = { failedService: service, status: ['needs_attention'], limit: MOST_WOKEN } as const;
    return (await records.listJobs(filter)).jobs;
  }
}

/** The others try again by themselves. */
const MOST_WOKEN = 200;

function ignoreProblem(error: unknown): null {
  if (error instanceof Problem) return null;
  throw error;
}
