/** One signed webhook, by the Standard Webhooks scheme. Whoever sends it decides what becomes of the answer. */
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';

export interface SignedMessage {
  /** By it a receiver knows what it was told before. */
  readonly id: string;
  readonly url: string;
  readonly secret: string;
  readonly body: string;
}

export interface WebhookAnswer {
  /** Null where nobody answered in time. */
  readonly status: number | null;
  /** What the receiver asked for by `Retry-After`. */
  readonly retryAfterMs: number | null;
  /** Null where it was taken (2xx). No part of an address is in it. */
  readonly failure: string | null;
}

export interface WebhookSender {
  send(message: SignedMessage, signal?: AbortSignal): Promise<WebhookAnswer>;
  close(): Promise<void>;
}

export interface WebhookReceiver {
  /** The host, and where several receivers share it a number: what may be shown of it. */
  readonly name: string;
  readonly url: string;
}

export function createWebhookSender(options: {
  readonly timeoutMs: number;
  readonly connections: number;
}): WebhookSender {
  const { timeoutMs, connections } = options;
  const agent = new Agent({ connect: { timeout: timeoutMs }, connections });
  return {
    async send({ id, url, secret, body }, signal) {
      const at = new Date();
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        // Redirects are not followed: whom to tell is configured, not answered.
        const answer = await request(url, {
          method: 'POST',
          dispatcher: agent,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'lethe',
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
            'webhook-signature': signerOf(secret).sign(id, at, body),
          },
          body,
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
          signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
        });
        await answer.body.dump({ limit: 64 * 1024 });
        const { statusCode: status } = answer;
        return {
          status,
          retryAfterMs: retryAfterMs(answer.headers['retry-after']),
          failure: status >= 200 && status < 300 ? null : `answered ${status}`,
        };
      } catch (error) {
        const { code, name } = error as NodeJS.ErrnoException;
        const failure = name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : (code ?? name);
        return { status: null, retryAfterMs: null, failure };
      }
    },
    close: () => agent.close(),
  };
}

/** Receivers by what may be shown of them. */
export function namedReceivers(urls: readonly string[]): WebhookReceiver[] {
  const seen = new Map<string, number>();
  return urls.map((url) => {
    const { host } = new URL(url);
    const before = seen.get(host) ?? 0;
    seen.set(host, before + 1);
    return { name: before === 0 ? host : `${host} ${before + 1}`, url };
  });
}

function signerOf(secret: string): Webhook {
  return secret.startsWith('whsec_') ? new Webhook(secret) : new Webhook(secret, { format: 'raw' });
}

/** Seconds, or a date. */
function retryAfterMs(header: string | string[] | undefined): number | null {
  if (typeof header !== 'string') return null;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
