/** Every generated file of this repository. Whoever generates one adds it here, and it is checked from then on. */

import { z } from 'zod';
import type { Declaration } from '../erasure/declaration.js';
import { fastPathSql } from '../erasure/install/fast-path-sql.js';
import { installSql } from '../erasure/install/install-sql.js';
import { type MigrationOwner, migrationOwners } from '../prisma/migrate.js';
import { certificate } from '../proof/certificate.js';
import { openApiDocument } from '../protocol/openapi.js';
import { participantSchema } from '../services/participant-file/schema.js';
import { declarations } from '../services/registry.js';

export interface GeneratedFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly render: () => Promise<string>;
}

export async function generatedFiles(): Promise<readonly GeneratedFile[]> {
  return [
    {
      path: 'docs/protocol.openapi.json',
      render: async () => `${JSON.stringify(openApiDocument(), null, 2)}\n`,
    },
    {
      path: 'docs/participant.schema.json',
      render: async () => `${JSON.stringify(participantSchema(), null, 2)}\n`,
    },
    {
      path: 'docs/certificate.schema.json',
      render: async () => `${JSON.stringify(z.toJSONSchema(certificate), null, 2)}\n`,
    },
    ...declarations.map((declaration) => ({
      path: `prisma/${declaration.name}/migrations/20261124000100_lethe/migration.sql`,
      render: async () => installMigration(declaration),
    })),
    ...declarations.map((declaration) => ({
      path: `prisma/${declaration.name}/migrations/20261124000200_lethe_fast_path/migration.sql`,
      render: async () => `${madeFrom(declaration)}${fastPathSql(ownerOf(declaration).role)}`,
    })),
  ];
}

/** The second migration of a service of this repository: Lethe's schema beside the service's. */
function installMigration(declaration: Declaration): string {
  return `${madeFrom(declaration)}${installSql(declaration, ownerOf(declaration).role)}`;
}

function madeFrom({ name }: Declaration): string {
  return `-- Made by \`npm run generate\` from services/${name}/declaration.ts.\n\n`;
}

function ownerOf(declaration: Declaration): MigrationOwner {
  const owner = migrationOwners().find(({ name }) => name === declaration.name);
  if (owner === undefined) {
    throw new Error(
      `${declaration.name} is declared in services/registry.ts and has no migrations: write prisma/${declaration.name}/schema.prisma and its first migration before.`,
    );
  }
  return owner;
}
