/** Reads and writes participants' files. */
import { readdir, rename, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { JsonFileError, readJsonFile } from '../../protocol/json-file.js';
import { type ParticipantFile, participantFile } from './schema.js';

/** Where the JSON Schema is published; editors complete and check by it. */
export const SCHEMA_URL =
  'https://raw.githubusercontent.com/lethe-saga/lethe/main/docs/participant.schema.json';

/** Throws `JsonFileError` that names every fault. */
export function readParticipant(path: string): Promise<ParticipantFile> {
  return readJsonFile(path, participantFile, "The participant's file");
}

/** One file, or all `*.json` of a directory in order of name. No two may have the same name. */
export async function readParticipants(
  path: string,
): Promise<{ readonly path: string; readonly file: ParticipantFile }[]> {
  const isDirectory = (await stat(path).catch(() => null))?.isDirectory() === true;
  const paths = isDirectory ? await jsonFiles(path) : [path];
  if (paths.length === 0)
    throw new JsonFileError(`${path} holds no participant's file: no name there ends in .json`);
  const participants = [];
  for (const one of paths) participants.push({ path: one, file: await readParticipant(one) });
  const names = participants.map(({ file }) => file.name);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) throw new JsonFileError(`${path}: two files describe a participant ${twice}`);
  return participants;
}

async function jsonFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(directory, name));
}

/** All of it or nothing: whoever reads meanwhile reads the old one. */
export async function writeParticipant(path: string, file: ParticipantFile): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o644 });
  await rename(draft, path);
}

/** A name for a participant whose file is called so. */
export function nameFrom(path: string): string {
  const name = basename(path, '.json')
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '-');
  return /^[a-z]/.test(name) ? name.slice(0, 40) : `p-${name}`.slice(0, 40);
}
