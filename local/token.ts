/** `npm run token`: a user's token of the local issuer, or a service token that reads. Prints the token, nothing else. */
import { Command, Option } from 'commander';
import { readLocalConfig } from '../config.js';
import { READING_ACTIONS } from '../protocol/calls.js';
import { serviceName, tenantId, userId } from '../protocol/common.js';
import { readSigningKeys } from '../protocol/keys.js';
import { createLocalUserIssuer } from '../protocol/local-issuer.js';
import { createTokenIssuer } from '../protocol/tokens.js';
import { PLATFORM_ROLES, type PlatformRole, type TenantRole } from '../protocol/user-tokens.js';
import { SERVICE_TOKEN_ISSUER } from './platform-processes.js';
import { readLocalEnvironment } from './state.js';

const TENANT_ROLES = ['owner', 'admin'] as const satisfies readonly TenantRole[];
/** Who acts when nobody is named: a person of this laptop. */
const SOMEBODY = '00000000-0000-7000-8000-000000000001';

interface Options {
  readonly role: TenantRole | PlatformRole | 'service';
  readonly user?: string;
  readonly tenant?: string;
  readonly service?: string;
  readonly action?: (typeof READING_ACTIONS)[number];
}

async function tokenFor(options: Options): Promise<string> {
  const setting = readLocalEnvironment();
  const keys = setting('SIGNING_KEYS_DIR');
  check('--user', options.user, userId);
  check('--tenant', options.tenant, tenantId);
  if (options.role === 'service') return serviceToken(options, keys);
  const ofTenant = TENANT_ROLES.find((role) => role === options.role);
  if (ofTenant && !options.user) {
    throw new Error(
      `--role ${options.role} needs --user: the ${options.role}'s id. \`npm run seed\` prints it as owner_user_id.`,
    );
  }
  if (ofTenant && !options.tenant) throw new Error(`--role ${options.role} needs --tenant.`);
  const issuer = createLocalUserIssuer({
    key: (await readSigningKeys(keys, 'user-token')).signing,
    production: readLocalConfig().NODE_ENV === 'production',
  });
  const role = PLATFORM_ROLES.find((one) => one === options.role);
  return issuer.issue({
    userId: options.user ?? SOMEBODY,
    ...(role && { roles: [role] }),
    ...(ofTenant && options.tenant && { tenants: { [options.tenant]: ofTenant } }),
  });
}

async function serviceToken(options: Options, keys: string): Promise<string> {
  const { service, action, tenant } = options;
  if (!service || !action) throw new Error('--role service needs --service and --action.');
  check('--service', service, serviceName);
  if (action !== 'manifest' && !tenant) throw new Error(`--action ${action} needs --tenant.`);
  const issuer = createTokenIssuer({
    key: (await readSigningKeys(keys, 'service-token')).signing,
    issuer: SERVICE_TOKEN_ISSUER,
  });
  return issuer.issue({ audience: service, action, ...(action !== 'manifest' && { tenantId: tenant }) });
}

function check(
  name: string,
  value: string | undefined,
  schema: { safeParse(value: unknown): { success: boolean; error?: { issues: { message: string }[] } } },
): void {
  if (value === undefined) return;
  const result = schema.safeParse(value);
  if (!result.success) throw new Error(`${name} ${value}: ${result.error?.issues[0]?.message}`);
}

const program = new Command('token')
  .description('Prints a token of this laptop: for the API, or for one reading call of a service.')
  .addOption(
    new Option('--role <role>', 'whose token')
      .choices([...TENANT_ROLES, ...PLATFORM_ROLES, 'service'])
      .makeOptionMandatory(),
  )
  .option('--user <id>', 'the user; needed for owner and admin')
  .option('--tenant <id>', 'the tenant; needed for owner and admin, and for service tokens')
  .option('--service <name>', 'with --role service: which service takes the token')
  .addOption(new Option('--action <action>', 'with --role service: what it allows').choices(READING_ACTIONS))
  .action(async (options: Options) => {
    process.stdout.write(`${await tokenFor(options)}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
