/** The certificate of a job: the signed text with what it says, or a page that a person can read and print. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { certificate } from '../../proof/certificate.js';
import { readJws } from '../../proof/jws.js';
import { Problem } from '../../protocol/problems.js';
import type { StoredCertificate } from '../../records/proof-types.js';
import { callerOf } from '../auth.js';
import { certificatePage, PAGE_POLICY } from '../certificate-page.js';
import { createReadableJob } from '../readable-job.js';
import { isStaff } from '../rights.js';
import { jobParams, problems, type RouteParts, typed } from './parts.js';

const answer = z.strictObject({
  jws: z.string().describe('What was signed; check this, by /.well-known/certificate-keys.json'),
  certificate: certificate.describe('What it says'),
});

export function certificateRoutes(app: FastifyInstance, { records, directory }: RouteParts): void {
  const readable = createReadableJob({ records }, directory);

  // A certificate outlives the record of its job; who may read it then, the job's readers cannot say any more.
  async function stored(request: FastifyRequest, jobId: string): Promise<StoredCertificate> {
    if (!isStaff(callerOf(request))) await readable(request, jobId);
    try {
      return await records.certificateOf(jobId);
    } catch (error) {
      if (error instanceof Problem && error.code === 'certificate_unknown') await records.getJob(jobId);
      throw error;
    }
  }

  typed(app).get(
    '/deletion-jobs/:job_id/certificate',
    {
      schema: {
        summary: 'The signed certificate of a completed job; with Accept: text/html as a page',
        tags: ['jobs'],
        params: jobParams,
        response: { 200: z.union([answer, z.string()]), ...problems },
      },
    },
    async (request, reply) => {
      const { jws } = await stored(request, request.params.job_id);
      const said = certificate.parse(readJws(jws));
      void reply.header('vary', 'accept');
      if (!prefersPage(request)) return { jws, certificate: said };
      return reply
        .header('content-security-policy', PAGE_POLICY)
        .type('text/html; charset=utf-8')
        .serializer(String)
        .send(certificatePage(said, jws));
    },
  );
}

/** What browsers ask for, and programs do not. */
function prefersPage({ headers }: FastifyRequest): boolean {
  const types = (headers.accept ?? '').split(',').map((one) => one.split(';')[0]?.trim());
  const page = types.indexOf('text/html');
  const json = types.indexOf('application/json');
  return page !== -1 && (json === -1 || page < json);
}
