/** Makes Temporal's SDK download the program of its dev server into the folder given: a process of its own. */
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [directory] = process.argv.slice(2);
if (!directory) throw new Error('usage: temporal-download.ts DIRECTORY');

const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable: { type: 'cached-download', downloadDir: directory } },
});
await environment.teardown();
