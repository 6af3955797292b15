/** Values that are never on disk: taken out when a session is created, put back when it resumes (`recall.ts`). */
import type { McpServer } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../errors.ts';

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
