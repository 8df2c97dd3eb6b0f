/** What Prisma's own engine would still change in a database to make it what a `schema.prisma` says. */
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { openSchemaEngine, WholeScripts } from '../../prisma/migrate-engine.js';

// Flags of the catalog are of a one-byte type that the adapter does not know, though the engine asks for it.
const ONE_BYTE = pg.types.builtins.CHAR;
const ARRAY_OF_ONE_BYTE = 1002;

const EMPTY = '-- This is an empty migration.\n';

class CatalogReader extends WholeScripts {
  override async connect() {
    const adapter = await super.connect();
    const pool = adapter.underlyingDriver();
    pool.query = new Proxy(pool.query, {
      apply: async (query, self, args: unknown[]) => {
        const result: pg.QueryArrayResult = await Reflect.apply(query, self, args);
        for (const field of result.fields ?? []) {
          if (field.dataTypeID === ONE_BYTE) field.dataTypeID = ARRAY_OF_ONE_BYTE;
        }
        return result;
      },
    });
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query);
      const columnTypes = result.columnTypes.map((type) =>
        type === ColumnTypeEnum.CharacterArray ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return adapter;
  }
}

/** The SQL of the changes; empty where the database is what `content` says. */
export async function compareWithDatabase(databaseUrl: string, content: string): Promise<string> {
  const { engine, close } = await openSchemaEngine(databaseUrl, 'public', CatalogReader);
  const files = [{ path: 'schema.prisma', content }];
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: '.' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    return stdout === EMPTY ? '' : (stdout ?? '');
  } finally {
    await close();
  }
}
