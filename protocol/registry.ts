/** The registry of services, a file: who has to agree to a deletion, and where each is reached. */
import { z } from 'zod';
import { serviceName } from './common.js';

export const registryEntry = z.strictObject({
  name: serviceName,
  url: z.url({ protocol: /^https?$/ }),
  role: z.enum(['participant', 'tenant_directory']),
});
export type RegistryEntry = z.infer<typeof registryEntry>;

export const registry = z
  .array(registryEntry)
  .min(1, 'a registry names at least one service')
  .superRefine((entries, context) => {
    const names = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      if (names.has(entry.name)) {
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `${entry.name} stands here twice`,
        });
      }
      names.add(entry.name);
    }
    if (entries.filter((entry) => entry.role === 'tenant_directory').length > 1) {
      context.addIssue({ code: 'custom', path: [], message: 'at most one service is the tenant_directory' });
    }
    if (!entries.some((entry) => entry.role === 'participant')) {
      context.addIssue({ code: 'custom', path: [], message: 'at least one service is a participant' });
    }
  });
