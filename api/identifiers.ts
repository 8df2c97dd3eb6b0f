/** Identifiers and times as callers write them. */
import { z } from 'zod';
import * as wire from '../protocol/common.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** One tenant has one spelling: a UUID's is lower case. Other keys are left as they are. */
export function canonical(id: string): string {
  return UUID.test(id) ? id.toLowerCase() : id;
}

// PostgreSQL's text holds no NUL, and no key that people gave has a line break in it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;

export const tenantId = wire.tenantId
  .refine((id) => !CONTROL.test(id), 'should have no control characters')
  .overwrite(canonical);
export const userId = wire.userId.overwrite(canonical);
export const jobId = wire.jobId.overwrite(canonical);

/** A time that every part can hold: PostgreSQL knows no year 0, and a timer has an end. */
export const timestamp = wire.timestamp.refine((time) => {
  const year = new Date(time).getUTCFullYear();
  return year >= 1970 && year < 2200;
}, 'should be a time from 1970 to 2199');

/** A sentence of a person. */
export function text(longest: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .refine((written) => !written.includes('\u0000'), 'should have no NUL character');
}
