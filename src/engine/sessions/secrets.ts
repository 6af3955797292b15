/** Values that are never on disk: taken out when a session is created, resolved by name again when it resumes. */
import type { McpServer } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';
import type { SecretRef, Secrets } from '../ports.ts';

export type Pair = { name: string; value: string };

/** The values of one session, by what they are for. */
export interface SecretValues {
  readonly env: Readonly<Record<string, string>>;
  readonly mcpServers: readonly McpServer[];
  /** Every value with its name, for redaction. */
  readonly known: readonly Pair[];
}

/** Where an MCP server has values, and what they are. A server should have one; what has both hides both. */
const FIELDS = [
  ['env', 'mcp-env'],
  ['headers', 'mcp-header'],
] as const;

export interface ValueField {
  readonly kind: 'mcp-env' | 'mcp-header';
  readonly field: 'env' | 'headers';
  readonly pairs: readonly Pair[];
}

export function fieldsOf(server: McpServer): ValueField[] {
  return FIELDS.flatMap(([field, kind]) => {
    const pairs = (server as Partial<Record<'env' | 'headers', unknown>>)[field];
    if (pairs === undefined || pairs === null) return [];
    if (!Array.isArray(pairs) || !pairs.every((pair) => typeof pair?.name === 'string' && typeof pair.value === 'string')) {
      throw new RehydrateError(
        'invalid_argument',
        `The ${field} of MCP server "${server.name}" must be a list of { name, value }, both texts.`,
      );
    }
    return [{ kind, field, pairs: pairs as Pair[] }];
  });
}

/** The servers as stored: names stay, values go, and what else lies beside them. */
export function withoutValues(servers: readonly McpServer[]): McpServer[] {
  return servers.map(
    (server) =>
      ({
        ...server,
        ...Object.fromEntries(fieldsOf(server).map(({ field, pairs }) => [field, pairs.map(({ name }) => ({ name, value: '' }))])),
      }) as McpServer,
  );
}

export function secretValues(env: Readonly<Record<string, string>>, mcpServers: readonly McpServer[]): SecretValues {
  return {
    env,
    mcpServers,
    known: [
      ...Object.entries(env).map(([name, value]) => ({ name, value })),
      ...mcpServers.flatMap((server) => fieldsOf(server).flatMap(({ pairs }) => pairs.map(({ name, value }) => ({ name, value })))),
    ],
  };
}

// ---------------------------------------------------------------- back again

interface Named {
  readonly sessionId: string;
  readonly envNames: readonly string[];
  readonly mcpServers: readonly McpServer[];
}

/** Asks for every value by name, and tells which were not there. */
async function resolveAll(secrets: Secrets, session: Named): Promise<{ values: SecretValues; missing: string[] }> {
  const missing: string[] = [];
  const resolve = async (ref: SecretRef): Promise<string> => {
    const value = await secrets(ref);
    if (value === undefined) missing.push(ref.server === undefined ? ref.name : `${ref.name} (of MCP server ${ref.server})`);
    return value ?? '';
  };
  const env: Record<string, string> = {};
  for (const name of session.envNames) env[name] = await resolve({ sessionId: session.sessionId, kind: 'env', name });
  const servers: McpServer[] = [];
  for (const server of session.mcpServers) {
    const filled: Partial<Record<'env' | 'headers', Pair[]>> = {};
    for (const { kind, field, pairs } of fieldsOf(server)) {
      const values: Pair[] = (filled[field] = []);
      for (const { name } of pairs)
        values.push({ name, value: await resolve({ sessionId: session.sessionId, kind, server: server.name, name }) });
    }
    servers.push({ ...server, ...filled } as McpServer);
  }
  return { values: secretValues(env, servers), missing };
}

/** Every value of a session. Error: `secret_missing`, naming all that are not there, before any agent starts. */
export async function resolveSecrets(secrets: Secrets, session: Named): Promise<SecretValues> {
  const { values, missing } = await resolveAll(secrets, session);
  if (missing.length === 0) return values;
  const them = missing.length === 1 ? 'it' : 'them';
  throw new RehydrateError(
    'secret_missing',
    `Session "${session.sessionId}" needs ${missing.join(', ')}, whose values are never stored. Set ${them} in the environment, or give the host a \`secrets\` function that knows ${them}. No agent was started.`,
    { sessionId: session.sessionId, missing },
  );
}

/** The values that can be had, for redacting what is only read. */
export async function resolveKnown(secrets: Secrets, session: Named): Promise<SecretValues['known']> {
  return (await resolveAll(secrets, session)).values.known.filter(({ value }) => value !== '');
}
