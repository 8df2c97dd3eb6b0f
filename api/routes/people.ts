/** Forgetting a person whom the records know. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { actorOf, callerOf } from '../auth.js';
import { canonical, text } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { noBody, problems, type RouteParts, typed } from './parts.js';

// As an issuer names its users, which need not be by UUID.
const params = z.strictObject({ user_id: text(200).overwrite(canonical) });
const forgotten = z.strictObject({ pseudonym: z.string().describe('What is left in their place') });

export function peopleRoutes(app: FastifyInstance, { records }: RouteParts): void {
  typed(app).delete(
    '/people/:user_id',
    {
      schema: {
        summary: 'Forgets who a user was: trail, jobs and certificates keep a pseudonym; cannot be undone',
        tags: ['audit'],
        params,
        body: noBody,
        response: { 200: forgotten, ...problems },
      },
    },
    async (request) => {
      demand('forget_people', staffStandings(callerOf(request)));
      return { pseudonym: await records.forgetPerson(request.params.user_id, actorOf(request)) };
    },
  );
}
