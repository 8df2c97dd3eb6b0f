// Loaded into a platform's processes: a test's live for a minute or two, which is too short for WebAssembly (Prisma's)
// to be compiled a second time, thoroughly. It takes seconds of a processor for each.
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--liftoff-only');
