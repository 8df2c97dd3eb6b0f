/** In which order test files run. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that bring up a platform of processes: their tests wait for minutes, and now and then want every processor. */
const OF_PLATFORMS = /\/tests\/(e2e|chaos)\//;

/** Take minutes, for files that are short: these begin first, in this order. */
const LONGEST = [
  /\/chaos\/killed-and-lost\.test\.ts$/,
  /\/chaos\/trouble\.test\.ts$/,
  /\/e2e\/demo\.test\.ts$/,
];

/** Spreads the files of platforms over a run, so that while one waits the others have something to do. */
export default class SpreadPlatforms extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const groupOf = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    // Vitest runs one group after the other, whatever the order is.
    return [...new Set(sorted.map(groupOf))].flatMap((group) => {
      const some = sorted.filter((file) => groupOf(file) === group);
      const named = (pattern: RegExp, wanted = true) =>
        some.filter(({ moduleId }) => pattern.test(moduleId) === wanted);
      const platforms = new Set([...LONGEST.flatMap((one) => named(one)), ...named(OF_PLATFORMS)]);
      return spread(named(OF_PLATFORMS, false), [...platforms]);
    });
  }
}

/** Each in its order, and one of `few` before as many of `many` as there are for it. */
function spread<T>(many: readonly T[], few: readonly T[]): T[] {
  const each = few.length === 0 ? many.length : Math.floor(many.length / (few.length + 1));
  const spreadOut = few.flatMap((one, place) => [one, ...many.slice(place * each, (place + 1) * each)]);
  return [...spreadOut, ...many.slice(few.length * each)];
}
