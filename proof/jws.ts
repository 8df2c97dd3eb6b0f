/**
 * Compact JWS with Ed25519, in the one spelling that it was signed in: what is checked here has no spare bit that could
 * be changed without being noticed.
 */
import { CompactSign, type CryptoKey, compactVerify, importJWK, type JSONWebKeySet } from 'jose';

const ALGORITHM = 'EdDSA';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

/** Why a text is not what somebody signed. */
export type Fault = 'malformed' | 'other_type' | 'unknown_key' | 'changed';

export type Checked =
  | { readonly fault: null; readonly kid: string; readonly payload: unknown }
  | { readonly fault: Fault; readonly why: string };

/** Signs what a payload says, under a type that nothing else has. */
export async function signJws(payload: unknown, type: string, key: SigningKey): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: ALGORITHM, typ: type, kid: key.kid })
    .sign(key.privateKey);
}

/** The payload, where a key of the set has signed just this text as this type. */
export async function checkJws(jws: string, type: string, keys: JSONWebKeySet): Promise<Checked> {
  const parts = jws.split('.');
  if (parts.length !== 3 || !parts.every(isBase64Url)) {
    return { fault: 'malformed', why: 'It is not three parts of base64url, joined by dots.' };
  }
  const header = jsonOf(parts[0]);
  if (!isHeader(header)) {
    return { fault: 'malformed', why: 'Its header is not that of a signed document of Lethe.' };
  }
  if (header.typ !== type) {
    return { fault: 'other_type', why: `It says of itself that it is ${quoted(header.typ)}, not ${type}.` };
  }
  const key = keys.keys.find(({ kid }) => kid === header.kid);
  if (key === undefined || key.kty !== 'OKP' || key.crv !== 'Ed25519') {
    return { fault: 'unknown_key', why: `None of the keys is ${quoted(header.kid)}, which signed it.` };
  }
  try {
    const imported = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: String(key.x) }, ALGORITHM);
    await compactVerify(jws, imported, { algorithms: [ALGORITHM] });
  } catch {
    return {
      fault: 'changed',
      why: `The signature is not that of key ${quoted(header.kid)} over this text.`,
    };
  }
  return { fault: null, kid: header.kid, payload: jsonOf(parts[1]) };
}

/** What it says, unchecked: for showing, and for finding out what it is. */
export function readJws(jws: string): unknown {
  return jsonOf(jws.split('.')[1]);
}

interface Header {
  readonly alg: string;
  readonly typ: string;
  readonly kid: string;
}

/** These three members and no other: none that would name a key or ask for something. */
function isHeader(value: unknown): value is Header {
  if (typeof value !== 'object' || value === null) return false;
  const { alg, typ, kid, ...others } = value as Record<string, unknown>;
  return (
    alg === ALGORITHM &&
    typeof typ === 'string' &&
    typeof kid === 'string' &&
    Object.keys(others).length === 0
  );
}

// The last character of a part may have bits that no byte uses.
function isBase64Url(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part;
}

function jsonOf(part: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
