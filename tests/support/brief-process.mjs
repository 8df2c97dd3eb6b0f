// Loaded into a platform's processes: a test's live for a minute or two, which is too short for WebAssembly (Prisma's)
// to be compiled a second time, thoroughly. It takes seconds of a processor for each. Nor are they asked for stack traces
// in TypeScript: for these a process counts the lines of all that it loads, of the workflow's bundle for half a second.
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--liftoff-only');
process.setSourceMapsEnabled(false);
