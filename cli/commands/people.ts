/** `lethe people forget USER`: the trail keeps a pseudonym, and nobody can say any more whose it was. */
import { z } from 'zod';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';

const forgotten = z.object({ pseudonym: z.string() });

export const forgetPerson: Command<{ readonly yes?: boolean }, [user: string]> = async (
  { api, out, ask },
  { yes },
  user,
) => {
  if (!yes) {
    if (ask === undefined) throw new UsageError('This cannot be undone; say --yes.');
    const typed = await ask(`This cannot be undone. Type the user's id to forget who it was: `);
    if (typed.trim() !== user) throw new UsageError('That is another id; nobody was forgotten.');
  }
  const answer = await api.call(forgotten, 'DELETE', `/api/v1/people/${encodeURIComponent(user)}`);
  out.document(answer);
  out.line(`Forgotten. In the trail, in jobs and in certificates stands ${answer.pseudonym}.`);
  return EXIT.ok;
};
