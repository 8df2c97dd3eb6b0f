/** Webhooks that were not delivered, or not yet. */
import type { FastifyInstance } from 'fastify';
import { undelivered } from '../../protocol/portability.js';
import { callerOf } from '../auth.js';
import { demand, staffStandings } from '../rights.js';
import { problems, type RouteParts, typed } from './parts.js';

const MOST = 200;

export function noticeRoutes(app: FastifyInstance, { records }: RouteParts): void {
  typed(app).get(
    '/notifications/undelivered',
    {
      schema: {
        summary: 'Webhooks that the receiver has not taken yet, or never did, newest first',
        tags: ['platform'],
        response: { 200: undelivered, ...problems },
      },
    },
    async (request) => {
      demand('see_services', staffStandings(callerOf(request)));
      return { notices: await records.undeliveredNotices(MOST) };
    },
  );
}
