/** The file that a job has exported, for those who may read the job. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { Problem } from '../../protocol/problems.js';
import { openExport } from '../../records/export-files.js';
import { actorOf } from '../auth.js';
import { createReadableJob } from '../readable-job.js';
import { jobParams, problems, type RouteParts, typed } from './parts.js';

export function exportRoutes(app: FastifyInstance, parts: RouteParts): void {
  const readable = createReadableJob(parts, parts.directory);
  const { records, settings } = parts;

  typed(app).get(
    '/deletion-jobs/:job_id/export',
    {
      schema: {
        summary: "The tenant's data as a zip of NDJSON files, as it was archived; 410 once its time is over",
        tags: ['jobs'],
        params: jobParams,
        produces: ['application/zip'],
        response: { 200: z.unknown().describe('The zip'), ...problems },
      },
    },
    async (request, reply) => {
      const job = await readable(request, request.params.job_id);
      const extras = { job_id: job.job_id, ...(job.export && { state: job.export.state }) };
      if (!job.export || job.export.state === 'asked') {
        const detail = job.export
          ? 'The export is not made yet; it is as soon as everything is staged.'
          : 'No export was asked for with this job.';
        throw new Problem('export_unknown', detail, extras);
      }
      const file =
        job.export.state === 'made' && settings.exportDirectory !== undefined
          ? await openExport(settings.exportDirectory, job.job_id)
          : null;
      if (file === null) {
        throw new Problem('export_gone', `The export is not kept any more (${job.export.state}).`, extras);
      }
      await records.audit({
        jobId: job.job_id,
        tenantId: job.tenant_id,
        actor: actorOf(request),
        action: 'export fetched',
        details: {},
      });
      return reply
        .header('content-disposition', `attachment; filename="${job.job_id}.zip"`)
        .header('content-length', file.bytes)
        .header('repr-digest', `sha-256=:${Buffer.from(job.export.sha256 ?? '', 'hex').toString('base64')}:`)
        .header('x-content-sha256', job.export.sha256 ?? '')
        .header('cache-control', 'no-store')
        .type('application/zip')
        .serializer(String)
        .send(file.stream);
    },
  );
}
