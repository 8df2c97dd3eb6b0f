/** The search attributes that runs are found by: registered where they are missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionLike } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../protocol/workflow.js';

// As in temporal.api.enums.v1.IndexedValueType.
const INDEXED_VALUE_TYPES = { Keyword: 2, KeywordList: 7 } as const;

/** Registers what is missing. The parts of a server learn of a new namespace one after the other: so it may take a while. */
export async function ensureSearchAttributes(
  connection: Pick<ConnectionLike, 'operatorService'>,
  namespace: string,
  withinMs = 20_000,
): Promise<void> {
  for (const deadline = Date.now() + withinMs; ; await sleep(200)) {
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.entries(SEARCH_ATTRIBUTES).filter(
        ([name]) => !(name in (customAttributes ?? {})),
      );
      if (missing.length === 0) return;
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(
          missing.map(([name, type]) => [name, INDEXED_VALUE_TYPES[type]]),
        ),
      });
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
