/** Begins with what takes longest, so that the last minutes are not spent waiting for one file. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files start processes, or run many sagas; each of them takes longer than a file of any other. */
const LONGEST = ['tests/chaos/', 'tests/e2e/', 'tests/integration/saga/'];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((folder) => moduleId.includes(folder));
      return at === -1 ? LONGEST.length : at;
    };
    // What vitest remembers of earlier runs, or knows of sizes, decides among those of a folder.
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
