/** Prisma's schema engine (WebAssembly) on a `pg` connection. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

// Node has it; the types come with the browser's, which this project does not load.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

let instantiated: Promise<void> | undefined;

// The package's own entry loads its WebAssembly in a way that Node has behind a flag.
async function instantiate(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const wasm = readFileSync(entry.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  const start = instance.exports.__wbindgen_start;
  if (typeof start !== 'function') {
    throw new Error(
      'This version of @prisma/schema-engine-wasm has no start function: prisma/migrate-engine.ts needs an update.',
    );
  }
  start();
}

/** The adapter cuts scripts at every semicolon, also inside of function bodies, and applies the pieces one by one. */
export class WholeScripts extends PrismaPg {
  /** Why the last script failed, in PostgreSQL's words; the engine's own error does not say it. */
  failure: string | undefined;

  override async connect() {
    const adapter = await super.connect();
    // One simple query is one implicit transaction: a migration is applied as a whole or not at all.
    adapter.executeScript = async (script) => {
      try {
        await adapter.underlyingDriver().query(script);
      } catch (error) {
        this.failure = describe(error, script);
        throw error;
      }
    };
    return adapter;
  }
}

function describe(error: unknown, script: string): string {
  if (!(error instanceof pg.DatabaseError)) return error instanceof Error ? error.message : String(error);
  const line = error.position ? script.slice(0, Number(error.position)).split('\n').length : undefined;
  return [
    `${error.message} (SQLSTATE ${error.code ?? 'unknown'}${line === undefined ? '' : `, line ${line}`})`,
    error.detail,
    error.hint,
  ]
    .filter(Boolean)
    .join('. ');
}

/** Prisma's engine for one owner. */
export interface OwnerEngine {
  readonly engine: bindings.SchemaEngine;
  /** Why the last migration failed, in PostgreSQL's words. */
  failure(): string | undefined;
  /** Without it the session stays, and with it the engine's lock. */
  close(): Promise<void>;
}

/** Opens the engine for one owner; its history table stands in `schema`. */
export async function openSchemaEngine(
  databaseUrl: string,
  schema: string,
  Adapters: typeof WholeScripts = WholeScripts,
): Promise<OwnerEngine> {
  instantiated ??= instantiate();
  await instantiated;
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    options: `-c search_path=${schema}`,
    application_name: 'lethe migrate',
    // The engine takes an advisory lock of its session and gives it back by ending the session only.
    max: 1,
    idleTimeoutMillis: 0,
  });
  const adapters = new Adapters(pool, { schema });
  const engine = await bindings.SchemaEngine.new(
    { datamodels: undefined },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(adapters),
  );
  return {
    engine,
    failure: () => adapters.failure,
    close: async () => {
      engine.free();
      await pool.end();
    },
  };
}
