/** What every session of the engine is set to, so that the same statement means the same everywhere. */

const FIXED: Readonly<Record<string, string>> = {
  // PostgreSQL then raises where a policy would hide rows.
  row_security: 'off',
  search_path: 'pg_catalog',
  'lethe.engine': 'on',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  // What was archived as text is read again as it was written.
  array_nulls: 'on',
  xmloption: 'content',
  lc_monetary: 'C',
  transform_null_equals: 'off',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  // Compiling a statement that runs once costs more than it gains.
  jit: 'off',
};

/** A transaction of ours that is idle waits for Node, which is never long. */
const IDLE_IN_TRANSACTION_MS = 60_000;

export interface SessionSettings {
  readonly applicationName: string;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

// What was answered as done has to outlive a crash of the server.
const DURABLE = `set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)`;

/** One statement that sets a session up, and answers with its process id. By name: it is parsed once a connection. */
export function settingsQuery(settings: SessionSettings): { name: string; text: string; values: string[] } {
  const all = {
    ...FIXED,
    application_name: settings.applicationName,
    lock_timeout: `${settings.lockTimeoutMs}ms`,
    statement_timeout: `${settings.statementTimeoutMs}ms`,
    idle_in_transaction_session_timeout: `${IDLE_IN_TRANSACTION_MS}ms`,
  };
  const calls = Object.keys(all).map((name, place) => `set_config('${name}', $${place + 1}, false)`);
  return {
    name: 'lethe_settings',
    text: `SELECT pg_backend_pid() AS pid, ${calls.join(', ')}, ${DURABLE}`,
    values: Object.values(all),
  };
}
