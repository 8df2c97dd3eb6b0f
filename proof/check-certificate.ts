/** Checks a certificate with nothing but the public keys, and says what is wrong with one that does not hold. */
import type { JSONWebKeySet } from 'jose';
import {
  CERTIFICATE_FORMAT,
  CERTIFICATE_TYPE,
  CERTIFICATE_VERSION,
  type Certificate,
  certificate,
} from './certificate.js';
import { checkJws, type Fault } from './jws.js';

export type CertificateFault = Fault | 'unknown_version' | 'not_understood' | 'other_tenant';

export type CertificateCheck =
  | { readonly valid: true; readonly certificate: Certificate; readonly kid: string }
  | { readonly valid: false; readonly fault: CertificateFault; readonly why: string };

const ADVICE: Readonly<Record<CertificateFault, string>> = {
  malformed: 'This is no certificate, or it was cut or changed on its way.',
  other_type: 'This is a signed document, and no certificate.',
  unknown_key:
    'The keys are not those of the platform that issued it, or older than it: get the keys from /.well-known/certificate-keys.json of that platform.',
  changed: 'It was changed after it was signed, or somebody else signed it under the name of this key.',
  unknown_version:
    'It is signed by the key, in a form that this version of Lethe does not know: use a newer one.',
  not_understood: 'It is signed by the key, but does not say what a certificate has to say.',
  other_tenant: 'It holds, for somebody else.',
};

/** `tenantId`: whose certificate it should be. */
export async function checkCertificate(
  jws: string,
  keys: JSONWebKeySet,
  tenantId?: string,
): Promise<CertificateCheck> {
  const checked = await checkJws(jws, CERTIFICATE_TYPE, keys);
  if (checked.fault !== null) return invalid(checked.fault, checked.why);
  const { format, version } = (checked.payload ?? {}) as { format?: unknown; version?: unknown };
  if (format !== CERTIFICATE_FORMAT)
    return invalid('not_understood', 'Its format is not that of a certificate.');
  if (version !== CERTIFICATE_VERSION) {
    return invalid(
      'unknown_version',
      `Its version is ${JSON.stringify(version)}, not ${CERTIFICATE_VERSION}.`,
    );
  }
  const parsed = certificate.safeParse(checked.payload);
  if (!parsed.success) {
    const paths = parsed.error.issues.slice(0, 5).map(({ path }) => path.join('.') || 'the whole');
    return invalid('not_understood', `See ${[...new Set(paths)].join(', ')}.`);
  }
  if (parsed.data.key_id !== checked.kid) {
    return invalid(
      'not_understood',
      `It names the key ${JSON.stringify(parsed.data.key_id)}, and another one signed it.`,
    );
  }
  if (tenantId !== undefined && parsed.data.tenant_id !== tenantId) {
    return invalid('other_tenant', `It is about the tenant ${parsed.data.tenant_id}, not about ${tenantId}.`);
  }
  return { valid: true, certificate: parsed.data, kid: checked.kid };
}

function invalid(fault: CertificateFault, why: string): CertificateCheck {
  return { valid: false, fault, why: `${ADVICE[fault]} ${why}` };
}
