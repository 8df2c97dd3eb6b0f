/** Every generated file of this repository. Whoever generates one adds it here, and it is checked from then on. */

import { openApiDocument } from '../protocol/openapi.js';

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
  ];
}
