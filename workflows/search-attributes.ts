/** What runs are found by in Temporal. */
import { defineSearchAttributeKey } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import type { Fault } from '../activities/types.js';
import type { JobStatus } from '../protocol/jobs.js';

const DELETION_STATUS = defineSearchAttributeKey('DeletionStatus', 'KEYWORD');
const FAILED_SERVICES = defineSearchAttributeKey('FailedServices', 'KEYWORD_LIST');

export function showStatus(status: JobStatus): void {
  upsertSearchAttributes([{ key: DELETION_STATUS, value: status }]);
}

export function showFailedServices(faults: readonly Fault[]): void {
  const names = [...new Set(faults.flatMap(({ service }) => service ?? []))].sort();
  upsertSearchAttributes([{ key: FAILED_SERVICES, value: names }]);
}
