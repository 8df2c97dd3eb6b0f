/** Reads an answer up to a size; what is larger is not read to its end. */
import type { Dispatcher } from 'undici';
import { Problem } from './problems.js';

export interface ReadAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Parsed JSON, or undefined where the answer is none. */
  readonly body: unknown;
}

/** Throws `service_invalid_answer` where the answer is larger than allowed. */
export async function readAnswer(answer: Dispatcher.ResponseData, maxBytes: number): Promise<ReadAnswer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body as AsyncIterable<Uint8Array>) {
    size += part.byteLength;
    if (size > maxBytes) {
      answer.body.destroy();
      throw new Problem('service_invalid_answer', `the answer is larger than ${maxBytes} bytes.`);
    }
    parts.push(part);
  }
  const retryAfter = answer.headers['retry-after'];
  return {
    status: answer.statusCode,
    retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
    body: isJson(answer.headers['content-type']) ? parsed(Buffer.concat(parts)) : undefined,
  };
}

function isJson(contentType: string | string[] | undefined): boolean {
  return typeof contentType === 'string' && /^application\/([\w.-]+\+)?json\b/i.test(contentType);
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
