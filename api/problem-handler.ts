/** Every error leaves the API as a problem document; refusals of changes are audited. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_MEDIA_TYPE, asProblem, toProblemDocument } from '../protocol/problem-document.js';
import { Problem } from '../protocol/problems.js';
import type { Records } from '../records/types.js';
import { knownCaller } from './auth.js';

const REFUSALS_WORTH_KEEPING = [401, 403, 409, 410, 422, 423];

export function answerProblems(app: FastifyInstance, records: Pick<Records, 'audit'>): void {
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const problem = asProblem(error);
    if (problem.status >= 500)
      request.log.error({ err: problem.cause ?? error, code: problem.code }, problem.detail);
    else request.log.info({ code: problem.code }, 'refused');
    await keepRefusal(records, request, problem);
    return send(reply, request, problem);
  });
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (request, reply) =>
    send(
      reply,
      request,
      new Problem('route_unknown', 'There is nothing at this address; the list is at /docs.'),
    ),
  );
}

function send(reply: FastifyReply, request: FastifyRequest, problem: Problem) {
  if (problem.retryAfterSeconds !== undefined) void reply.header('retry-after', problem.retryAfterSeconds);
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply.status(problem.status).type(PROBLEM_MEDIA_TYPE).send(toProblemDocument(problem, request.id));
}

// A refusal stands even where it cannot be written down: the log then has it.
async function keepRefusal(
  records: Pick<Records, 'audit'>,
  request: FastifyRequest,
  problem: Problem,
): Promise<void> {
  if (request.method === 'GET' || !REFUSALS_WORTH_KEEPING.includes(problem.status)) return;
  const { tenant_id: tenantId, job_id: jobId } = (request.params ?? {}) as {
    tenant_id?: string;
    job_id?: string;
  };
  const actor = knownCaller(request) ?? { kind: 'user', id: 'unknown', role: 'none', requestId: request.id };
  const action = `refused ${request.method} ${request.routeOptions.url ?? 'unknown'}`;
  const details = { code: problem.code, status: problem.status };
  await records
    .audit({ jobId: isUuid(jobId) ? jobId : null, tenantId: tenantId ?? null, actor, action, details })
    .catch((error: unknown) =>
      request.log.error({ err: error, code: problem.code }, 'a refusal could not be audited'),
    );
}

function isUuid(value: string | undefined): value is string {
  return value !== undefined && /^[0-9a-f-]{36}$/i.test(value);
}
