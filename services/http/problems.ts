/** Every answer that is no success is a problem document with a stable code. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { asProblem, PROBLEM_MEDIA_TYPE, toProblemDocument } from '../../protocol/problem-document.js';
import { Problem } from '../../protocol/problems.js';
import { withoutTenant } from './logging.js';

/** `translate` turns errors of the service's own kind into problems, and leaves others as they are. */
export function answerWithProblems(app: FastifyInstance, translate: (error: unknown) => unknown): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = asProblem(translate(error));
    const facts = {
      code: problem.code,
      ...(request.serviceToken?.job_id && { job_id: request.serviceToken.job_id }),
    };
    const message = withoutTenant(problem.detail, request);
    if (problem.status >= 500) request.log.error({ ...facts, err: withoutTenant(error, request) }, message);
    else request.log.info(facts, message);
    return send(reply, problem, request.id);
  });
  app.setNotFoundHandler((request, reply) =>
    send(reply, new Problem('route_unknown', `There is no ${request.method} at this address.`), request.id),
  );
}

function send(reply: FastifyReply, problem: Problem, requestId: string): FastifyReply {
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', problem.retryAfterSeconds);
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  return reply
    .code(problem.status)
    .type(PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(toProblemDocument(problem, requestId)));
}
