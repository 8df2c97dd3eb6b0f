/** The sample data of every service of this repository. */
import { alertProcessor } from '../alert_processor/sample-data.js';
import { external } from '../external/sample-data.js';
import { forecasting } from '../forecasting/sample-data.js';
import { inventory } from '../inventory/sample-data.js';
import { notification } from '../notification/sample-data.js';
import { orders } from '../orders/sample-data.js';
import { pos } from '../pos/sample-data.js';
import { production } from '../production/sample-data.js';
import { recipes } from '../recipes/sample-data.js';
import { sales } from '../sales/sample-data.js';
import { suppliers } from '../suppliers/sample-data.js';
import { tenant } from '../tenant/sample-data.js';
import { training } from '../training/sample-data.js';
import type { ServiceSample } from './types.js';

/**
 * In the order in which their tables get their numbers of rows: members, products and ingredients before those who
 * ask how many there are. The largest services come early, so that they are not what the others wait for at the end.
 */
export const samples: readonly ServiceSample[] = [
  tenant,
  sales,
  pos,
  inventory,
  orders,
  recipes,
  production,
  notification,
  forecasting,
  suppliers,
  external,
  training,
  alertProcessor,
];
