/** Where a list goes on: opaque to callers, the last one's place in the order to us. */
import { z } from 'zod';
import { jobId, timestamp } from '../protocol/common.js';
import { Problem } from '../protocol/problems.js';

export interface Place {
  readonly requestedAt: Date;
  readonly jobId: string;
}

const stored = z.tuple([timestamp, jobId]);

export function cursorAfter({ requestedAt, jobId: id }: Place): string {
  return encodeCursor([requestedAt.toISOString(), id]);
}

/** Throws `validation_failed` for what no list ever gave. */
export function placeOf(cursor: string): Place {
  const [requestedAt, id] = decodeCursor(stored, cursor);
  return { requestedAt: new Date(requestedAt), jobId: id };
}

export function encodeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** Throws `validation_failed` for what no list ever gave. */
export function decodeCursor<S extends z.ZodType>(form: S, cursor: string): z.output<S> {
  const parsed = form.safeParse(asJson(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (!parsed.success) {
    throw new Problem(
      'validation_failed',
      'The cursor is none that a list gave. Start again without a cursor.',
      {
        errors: [{ path: 'cursor', message: 'should be the next_cursor of the page before' }],
      },
    );
  }
  return parsed.data;
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
