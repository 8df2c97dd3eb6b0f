#!/usr/bin/env node
/** The process of `lethe`: gives the program its surroundings, and ends with its exit status. */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { ConfigurationError, readCliConfig, readDatabaseUrl, readServingConfig } from '../config.js';
import { apiUrlOfClone } from './clone.js';
import { EXIT } from './exit-codes.js';
import { runLethe } from './program.js';

/** One line of the person at the terminal. */
async function askAtTerminal(prompt: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await lines.question(prompt);
  } finally {
    lines.close();
  }
}

const LOCAL_API = 'http://127.0.0.1:8080';
const root = join(import.meta.dirname, '..');

// The reader of a pipe may have seen enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

try {
  const config = readCliConfig();
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  process.exitCode = await runLethe(process.argv.slice(2), {
    apiUrl: config.API_URL ?? apiUrlOfClone(root) ?? LOCAL_API,
    token: config.LETHE_TOKEN,
    colours: process.stdout.isTTY === true && config.NO_COLOR === undefined,
    version,
    stdout: process.stdout,
    stderr: process.stderr,
    participant: {
      databaseUrl: (variable) => readDatabaseUrl(variable),
      serving: () => readServingConfig(),
      ask: process.stdin.isTTY === true && process.stdout.isTTY === true ? askAtTerminal : null,
      user: userInfo().username,
    },
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ConfigurationError ? EXIT.usage : EXIT.failed;
}
