/** The services of this repository, in the order in which they are shown. */
import type { Declaration } from '../erasure/declaration.js';
import { alertProcessor } from './alert_processor/declaration.js';
import { external } from './external/declaration.js';
import { forecasting } from './forecasting/declaration.js';
import { inventory } from './inventory/declaration.js';
import { notification } from './notification/declaration.js';
import { orders } from './orders/declaration.js';
import { pos } from './pos/declaration.js';
import { production } from './production/declaration.js';
import { recipes } from './recipes/declaration.js';
import { sales } from './sales/declaration.js';
import { suppliers } from './suppliers/declaration.js';
import { training } from './training/declaration.js';

export const declarations: readonly Declaration[] = [
  orders,
  inventory,
  recipes,
  sales,
  production,
  suppliers,
  pos,
  external,
  forecasting,
  training,
  alertProcessor,
  notification,
];
