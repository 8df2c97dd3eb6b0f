/** Every error leaves the API as a problem document; refusals of changes are audited. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asProblem, PROBLEM_MEDIA_TYPE, toProblemDocument } from '../protocol/problem-document.js';
import { Problem } from '../protocol/problems.js';
import type { Records } from '../records/types.js';
import { knownCaller } from './auth.js';

/** A refusal of somebody known. Who has no valid token is in the log alone: nobody may fill the records unasked. */
const REFUSALS_WORTH_KEEPING = [403, 404, 409, 410, 422, 423];
/** How long an answer waits for its refusal to be written down. */
const AUDIT_PATIENCE_MS = 1_000;
const RETRY_AFTER_SECONDS = 2;

export function answerProblems(app: FastifyInstance, records: Pick<Records, 'audit'>): void {
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const problem = asProblem(error);
    if (problem.status >= 500)
      request.log.error({ err: problem.cause ?? error, code: problem.code }, problem.detail);
    else request.log.info({ code: problem.code }, 'refused');
    await keepRefusal(records, request, problem);
    return sendProblem(reply, request, problem);
  });
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (request, reply) =>
    sendProblem(
      reply,
      request,
      new Problem('route_unknown', 'There is nothing at this address; the list is at /docs.'),
    ),
  );
}

/** Sends the problem's document, with the headers that go with it. */
export function sendProblem(reply: FastifyReply, request: FastifyRequest, problem: Problem): FastifyReply {
  void reply.header('x-request-id', request.id);
  const retryAfter = problem.retryAfterSeconds ?? (problem.status === 503 ? RETRY_AFTER_SECONDS : undefined);
  if (retryAfter !== undefined) void reply.header('retry-after', retryAfter);
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply
    .status(problem.status)
    .type(PROBLEM_MEDIA_TYPE)
    .serializer(JSON.stringify)
    .send(toProblemDocument(problem, request.id));
}

// A refusal stands even where it cannot be written down: the log then has it.
async function keepRefusal(
  records: Pick<Records, 'audit'>,
  request: FastifyRequest,
  problem: Problem,
): Promise<void> {
  const actor = knownCaller(request);
  if (!actor || ['GET', 'HEAD'].includes(request.method)) return;
  if (!REFUSALS_WORTH_KEEPING.includes(problem.status)) return;
  const {
    tenant_id: tenantId,
    job_id: jobId,
    hold_id: holdId,
  } = (request.params ?? {}) as {
    tenant_id?: string;
    job_id?: string;
    hold_id?: string;
  };
  const route = `${request.method} ${request.routeOptions.url ?? 'unknown'}`;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, AUDIT_PATIENCE_MS);
  });
  const kept = records
    .audit({
      jobId: isUuid(jobId) ? jobId : null,
      tenantId: isText(tenantId) ? tenantId : null,
      actor,
      action: `refused ${route}`,
      details: {
        code: problem.code,
        status: problem.status,
        ...(isUuid(holdId) && { hold_id: holdId }),
      },
    })
    .catch((error: unknown) =>
      request.log.error({ err: error, code: problem.code }, 'a refusal could not be audited'),
    );
  await Promise.race([kept, late]);
  clearTimeout(timer);
}

function isUuid(value: string | undefined): value is string {
  return value !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}

// What was refused for being malformed may hold what PostgreSQL cannot.
function isText(value: string | undefined): value is string {
  return value !== undefined && value.length <= 200 && !value.includes('\u0000');
}
