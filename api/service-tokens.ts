/** Tokens with which the API calls services. It looks, and it forwards ownership; it never deletes. */
import type { TokenAction } from '../protocol/calls.js';
import type { ServiceTokenRequest, TokenIssuer } from '../protocol/tokens.js';

const ACTIONS: readonly TokenAction[] = [
  'preview',
  'manifest',
  'retained',
  'verification',
  'directory',
  'ownership',
];

/** Refuses every action that changes a tenant's rows: those tokens follow the decision, and the worker gives them. */
export function createApiTokens(issuer: TokenIssuer): (request: ServiceTokenRequest) => Promise<string> {
  return async (request) => {
    if (!ACTIONS.includes(request.action)) {
      throw new Error(`The API gives itself no token for ${request.action}.`);
    }
    return issuer.issue(request);
  };
}
