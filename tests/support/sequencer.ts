/** In which order test files run. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that bring up a platform of processes: their tests wait for minutes, and now and then want every processor. */
const OF_PLATFORMS = /\/tests\/(e2e|chaos)\//;

/** Takes longest by far, for what its file has. */
const LONGEST = /\/demo\.test\.ts$/;

/** Spreads the files of platforms over a run, so that while one waits the others have something to do. */
export default class SpreadPlatforms extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const groupOf = ({ project }: TestSpecification) => project.config.sequence.groupOrder;
    // Vitest runs one group after the other, whatever the order is.
    return [...new Set(sorted.map(groupOf))].flatMap((group) => {
      const some = sorted.filter((file) => groupOf(file) === group);
      const platforms = some.filter(({ moduleId }) => OF_PLATFORMS.test(moduleId));
      const last = (file: TestSpecification) => (LONGEST.test(file.moduleId) ? 0 : 1);
      return spread(
        some.filter((file) => !platforms.includes(file)),
        platforms.toSorted((one, other) => last(one) - last(other)),
      );
    });
  }
}

/** Each in its order, and one of `few` before as many of `many` as there are for it. */
export function spread<T>(many: readonly T[], few: readonly T[]): T[] {
  const each = few.length === 0 ? many.length : Math.floor(many.length / (few.length + 1));
  const spreadOut = few.flatMap((one, place) => [one, ...many.slice(place * each, (place + 1) * each)]);
  return [...spreadOut, ...many.slice(few.length * each)];
}
