/** What went wrong, in words that say what to do, and as an exit status. */
import { EngineError } from '../erasure/engine-types.js';
import { problemDocument } from '../protocol/common.js';
import { ApiRefusal, ApiUnreachable, UsageError } from './api-client.js';
import { EXIT } from './exit-codes.js';

export interface Failure {
  readonly exit: number;
  /** For `--json`: the API's problem document, or one in its form. */
  readonly document: unknown;
  readonly text: string;
}

const GET_TOKEN =
  'Set LETHE_TOKEN to a token of one of the configured issuers.\nIn a clone: export LETHE_TOKEN=$(npm run --silent token -- --role operator)';

/** `hasToken`: whether the command was given one. */
export function failureOf(error: unknown, hasToken: boolean): Failure {
  if (error instanceof ApiRefusal) {
    const advice = adviceFor(error, hasToken);
    return {
      exit: EXIT.failed,
      document: error.document,
      text: `${error.code}: ${error.detail}${advice === null ? '' : `\n${advice}`}`,
    };
  }
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof ApiUnreachable)
    return { exit: EXIT.unreachable, document: own('unreachable', text), text };
  if (error instanceof UsageError) return { exit: EXIT.usage, document: own('usage', text), text };
  if (error instanceof EngineError) {
    const { table, privilege, sqlstate } = error.facts;
    return {
      exit: EXIT.failed,
      document: { code: error.code, detail: text, table, privilege, sqlstate },
      text,
    };
  }
  // A fault in what was configured, or in a file that was named.
  if (error instanceof Error && ['ConfigurationError', 'JsonFileError'].includes(error.name)) {
    return { exit: EXIT.usage, document: own('configuration', text), text };
  }
  return { exit: EXIT.failed, document: own('unexpected', text), text };
}

function own(code: string, detail: string) {
  return { code, detail };
}

function adviceFor({ code, status, document }: ApiRefusal, hasToken: boolean): string | null {
  const facts = problemDocument.safeParse(document).data;
  if (code === 'unauthenticated') return hasToken ? `Get a new token. ${GET_TOKEN}` : GET_TOKEN;
  if (code === 'forbidden') return 'docs/rights.md says who may do what.';
  if (code === 'job_open' && facts?.job_id) return `Follow it: lethe jobs watch ${facts.job_id}`;
  if (code === 'approval_stale') return 'Look again: lethe jobs show JOB';
  if (code === 'legal_hold') return 'See which: lethe holds list TENANT';
  if (code === 'name_mismatch') return 'See which tenant it is: lethe preview TENANT';
  if (code === 'preview_changed') return 'Look again: lethe preview TENANT';
  if (status === 503 || status === 429) return 'Try again in a moment.';
  return null;
}
