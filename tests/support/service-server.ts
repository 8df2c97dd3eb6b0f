/** A participant behind the real server on a real port, with tokens of a platform that the test plays. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServiceClient, type ServiceClient } from '../../protocol/client.js';
import { readSigningKeys, type SigningKeys, writeSigningKey } from '../../protocol/keys.js';
import {
  createTokenIssuer,
  createTokenVerifier,
  type ServiceTokenRequest,
  type TokenIssuer,
} from '../../protocol/tokens.js';
import { createServiceLogger } from '../../services/http/logging.js';
import type { Participant } from '../../services/http/participant.js';
import { buildServiceServer } from '../../services/server.js';

export const TEST_ISSUER = 'lethe-tests';

/** Keys of a platform, and tokens of it. */
export interface TestPlatformKeys extends TokenIssuer {
  readonly keys: SigningKeys;
}

export async function createTestKeys(): Promise<TestPlatformKeys> {
  const directory = mkdtempSync(join(tmpdir(), 'lethe-keys-'));
  try {
    await writeSigningKey(directory, 'service-token');
    const keys = await readSigningKeys(directory, 'service-token');
    return { keys, ...createTokenIssuer({ key: keys.signing, issuer: TEST_ISSUER }) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed, or null where the answer is no JSON. */
  readonly body: Record<string, unknown> | null;
}

export interface RequestOptions {
  /** The token as it is, or what it shall allow; none where it is null. */
  readonly token: string | null | Omit<ServiceTokenRequest, 'audience'>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks a participant at `url`. A body that is a string is sent as it is. */
export async function askParticipant(
  { url, name, issuer }: { readonly url: string; readonly name: string; readonly issuer: TokenIssuer },
  method: string,
  path: string,
  { token, body, headers = {} }: RequestOptions,
): Promise<HttpAnswer> {
  const bearer =
    token === null || typeof token === 'string' ? token : await issuer.issue({ audience: name, ...token });
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  let parsed: Record<string, unknown> | null = null;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch {
    parsed = null;
  }
  return { status: answer.status, headers: answer.headers, text, body: parsed };
}

export interface TestService {
  readonly url: string;
  readonly name: string;
  readonly issuer: TestPlatformKeys;
  /** The platform's own client. */
  readonly client: ServiceClient;
  /** Lines of the log, as JSON. */
  readonly log: readonly string[];
  ask(method: string, path: string, options: RequestOptions): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** Serves `participant` on a free port of this machine. */
export async function serveParticipant(
  participant: Participant,
  given?: TestPlatformKeys,
): Promise<TestService> {
  const issuer = given ?? (await createTestKeys());
  const log: string[] = [];
  const { name } = participant;
  const destination = { write: (line: string) => void log.push(line) };
  const logger = createServiceLogger({ service: name, level: 'trace', destination });
  const app = buildServiceServer({
    participant,
    verifier: createTokenVerifier({ jwks: issuer.keys.jwks, issuer: TEST_ISSUER, audience: name }),
    logger,
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const client = createServiceClient({
    service: { name, url, role: name === 'tenant' ? 'tenant_directory' : 'participant' },
    tokenFor: (request) => issuer.issue(request),
  });
  return {
    url,
    name,
    issuer,
    client,
    log,
    ask: (method, path, options) => askParticipant({ url, name, issuer }, method, path, options),
    close: async () => {
      await client.close();
      await app.close();
    },
  };
}
