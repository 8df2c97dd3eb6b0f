/** Turns a verified token into the user that the API knows. */
import type { UserTokenVerifier } from '../protocol/user-tokens.js';
import type { User } from './dependencies.js';
import { canonical } from './identifiers.js';

/** Ids come in their canonical form, as directory and records write them. */
export function createVerifyUser(verifier: UserTokenVerifier): (token: string) => Promise<User> {
  return async (token) => {
    const { userId, roles, tenants } = await verifier.verify(token);
    return {
      id: canonical(userId),
      roles: new Set(roles),
      tenants: Object.fromEntries([...tenants].map(([id, role]) => [canonical(id), role])),
    };
  };
}
