/** What every file of routes is given. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemDocument } from '../../protocol/common.js';
import type { Deletions } from '../deletions.js';
import type { ApiDependencies } from '../dependencies.js';
import type { Directory } from '../directory.js';
import type { Erased } from '../erased.js';
import { jobId, tenantId, userId } from '../identifiers.js';

export interface RouteParts extends ApiDependencies {
  readonly directory: Directory;
  readonly deletions: Deletions;
  readonly erased: Erased;
}

export function typed(app: FastifyInstance) {
  return app.withTypeProvider<ZodTypeProvider>();
}

export const tenantParams = z.strictObject({ tenant_id: tenantId });
export const jobParams = z.strictObject({ job_id: jobId });
export const userParams = z.strictObject({ user_id: userId });
/** A body may be left out where nothing has to be said. */
export const noBody = z.strictObject({}).nullish();
/** In every route's answers, so that the OpenAPI page tells of problems. */
export const problems = { default: problemDocument.describe('A problem; see docs/errors.md') };
