/** Files that a deployment is configured with: read once, and every fault of one named together. */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';

/** A file that is missing, is no JSON, or does not hold what it should. */
export class JsonFileError extends Error {
  override readonly name = 'JsonFileError';
}

/** `variable` is the name in the environment that led to the file; it stands in every error. */
export async function readJsonFile<S extends z.ZodType>(
  path: string,
  schema: S,
  variable: string,
): Promise<z.output<S>> {
  const at = `${variable} (${path})`;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new JsonFileError(`${at} cannot be read: ${code}`);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new JsonFileError(`${at} is no JSON`);
  }
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const faults = result.error.issues.map(
    (issue) => `  - ${issue.path.join('.') || 'the file'}: ${issue.message}`,
  );
  throw new JsonFileError(`${at} does not hold what it should:\n${faults.join('\n')}`);
}
