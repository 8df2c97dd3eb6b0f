/** The sample data of every service of this repository. */
import { alertProcessor } from '../alert_processor/sample-data.js';
import { external } from '../external/sample-data.js';
import { forecasting } from '../forecasting/sample-data.js';
import { notification } from '../notification/sample-data.js';
import { pos } from '../pos/sample-data.js';
import { tenant } from '../tenant/sample-data.js';
import { training } from '../training/sample-data.js';
import type { ServiceSample } from './types.js';

/** The tenant service first: the number of its members is asked for by others. */
export const samples: readonly ServiceSample[] = [
  tenant,
  pos,
  external,
  forecasting,
  training,
  alertProcessor,
  notification,
];
