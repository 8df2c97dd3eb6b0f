import type { FencePlace, FenceResult } from '../../erasure/workbench/fences.js';
import { withWorkbench } from '../../erasure/workbench/workbench.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipant, writeParticipant } from '../../services/participant-file/files.js';
import { EXIT } from '../exit-codes.js';
import { count, type Output } from '../output.js';
import { databaseUrlFor, type ParticipantCommand } from '../participant/context.js';

export interface FenceOptions {
  readonly config: string;
  readonly databaseUrlEnv?: string;
}

/** `lethe fence list`: where triggers keep late rows out. */
export const listFence: ParticipantCommand<FenceOptions> = async (context, options) => {
  const { file, databaseUrl, declaration } = await read(context, options);
  const places = await withWorkbench({ databaseUrl, readOnly: true }, async (bench) =>
    bench.fences.list(await bench.plan(declaration), declaration),
  );
  context.out.document({ participant: file.name, fence: file.fence, places });
  context.out.table(
    ['relation', 'tenant column', 'fence'],
    places.map((place) => [place.relation, place.columns.join(', '), stateOf(context.out, place)]),
  );
  context.out.line(
    `\nThe file says: ${file.fence}. Tables owned by hops need none: their rows need a parent.`,
  );
  return EXIT.ok;
};

function stateOf(out: Output, { fenced, impossible }: FencePlace): string {
  if (fenced) return out.colour('installed', 'green');
  return impossible === null ? 'none' : out.colour(`impossible: ${impossible}`, 'yellow');
}

/** `lethe fence install`: one table after the other, giving way to writers. */
export const installFence: ParticipantCommand<FenceOptions> = async (context, options) => {
  const { out } = context;
  const { file, databaseUrl, declaration } = await read(context, options);
  const results = await withWorkbench({ databaseUrl, readOnly: false }, async (bench) =>
    bench.fences.install(await bench.plan(declaration), declaration, (result) => tell(out, result, 'fenced')),
  );
  return end(context.out, options.config, results, async () => {
    await writeParticipant(options.config, { ...file, fence: 'trigger' });
    return 'trigger';
  });
};

/** `lethe fence remove`. */
export const removeFence: ParticipantCommand<FenceOptions> = async (context, options) => {
  const { out } = context;
  const { file, databaseUrl, declaration } = await read(context, options);
  const results = await withWorkbench({ databaseUrl, readOnly: false }, async (bench) =>
    bench.fences.remove(await bench.plan(declaration), declaration, (result) => tell(out, result, 'open')),
  );
  return end(out, options.config, results, async () => {
    await writeParticipant(options.config, { ...file, fence: 'none' });
    return 'none';
  });
};

async function read(context: Parameters<typeof installFence>[0], options: FenceOptions) {
  const file = await readParticipant(options.config);
  return { file, databaseUrl: databaseUrlFor(context, file, options), declaration: declarationOf(file) };
}

function tell(out: Output, { relation, done, why }: FenceResult, word: string): void {
  const mark = done ? out.colour(word.padEnd(7), 'green') : out.colour('not yet', 'yellow');
  out.line(`${mark} ${relation}${why === null ? '' : `: ${why}`}`);
}

/** Only a fence that is there everywhere, or nowhere, is written into the file. */
async function end(
  out: Output,
  path: string,
  results: readonly FenceResult[],
  write: () => Promise<string>,
): Promise<number> {
  const open = results.filter(({ done }) => !done);
  const fence = open.length === 0 ? await write() : null;
  out.document({ results, fence });
  if (fence === null) {
    out.line(`\n${count(open.length)} could not be done now, since others hold locks. Run it again.`);
    return EXIT.failed;
  }
  out.line(`\n${count(results.length)} changed. ${path} says fence: ${fence}; restart what serves it.`);
  return EXIT.ok;
}
