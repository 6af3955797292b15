/** Values that are never on disk: taken out when a session is created, put back when it resumes. */
import type { McpServer } from '@agentclientprotocol/sdk';
import type { SecretRef, Secrets } from '../ports.ts';
import { RehydrateError } from '../errors.ts';

type Pair = { name: string; value: string };

/** The values of one session, by what they are for. */
export interface SecretValues {
  readonly env: Readonly<Record<string, string>>;
  readonly mcpServers: readonly McpServer[];
  /** Every value with its name, for redaction. */
  readonly known: readonly Pair[];
}

/** The pairs of an MCP server that hold values, and what they are. */
function pairsOf(server: McpServer): { kind: 'mcp-env' | 'mcp-header'; field: 'env' | 'headers'; pairs: readonly Pair[] } {
  return 'headers' in server
    ? { kind: 'mcp-header', field: 'headers', pairs: server.headers }
    : { kind: 'mcp-env', field: 'env', pairs: ('env' in server ? server.env : undefined) ?? [] };
}

/** The servers as stored: names stay, values go. */
export function withoutValues(servers: readonly McpServer[]): McpServer[] {
  return servers.map((server) => {
    const { field, pairs } = pairsOf(server);
    return { ...server, [field]: pairs.map((pair) => ({ ...pair, value: '' })) } as McpServer;
  });
}

export function secretValues(env: Readonly<Record<string, string>>, mcpServers: readonly McpServer[]): SecretValues {
  return {
    env,
    mcpServers,
    known: [
      ...Object.entries(env).map(([name, value]) => ({ name, value })),
      ...mcpServers.flatMap((server) => pairsOf(server).pairs.map(({ name, value }) => ({ name, value }))),
    ],
  };
}

interface Named {
  readonly sessionId: string;
  readonly envNames: readonly string[];
  readonly mcpServers: readonly McpServer[];
}

/** Asks for every value by name, and tells which were not there. */
async function recallAll(secrets: Secrets, session: Named): Promise<{ values: SecretValues; missing: string[] }> {
  const missing: string[] = [];
  const recall = async (ref: SecretRef): Promise<string> => {
    const value = await secrets(ref);
    if (value === undefined) missing.push(ref.server === undefined ? ref.name : `${ref.name} (of MCP server ${ref.server})`);
    return value ?? '';
  };
  const env: Record<string, string> = {};
  for (const name of session.envNames) env[name] = await recall({ sessionId: session.sessionId, kind: 'env', name });
  const servers: McpServer[] = [];
  for (const server of session.mcpServers) {
    const { kind, field, pairs } = pairsOf(server);
    const filled: Pair[] = [];
    for (const pair of pairs) {
      filled.push({ ...pair, value: await recall({ sessionId: session.sessionId, kind, server: server.name, name: pair.name }) });
    }
    servers.push({ ...server, [field]: filled } as McpServer);
  }
  return { values: secretValues(env, servers), missing };
}

/** Every value of a session. Error: `secret_missing`, naming all that are not there, before any agent starts. */
export async function recallSecrets(secrets: Secrets, session: Named): Promise<SecretValues> {
  const { values, missing } = await recallAll(secrets, session);
  if (missing.length === 0) return values;
  const them = missing.length === 1 ? 'it' : 'them';
  throw new RehydrateError(
    'secret_missing',
    `Session "${session.sessionId}" needs ${missing.join(', ')}, whose values are never stored. Set ${them} in the environment, or give the host a \`secrets\` function that knows ${them}. No agent was started.`,
    { sessionId: session.sessionId, missing },
  );
}

/** The values that can be had, for redacting what is only read. */
export async function recallKnown(secrets: Secrets, session: Named): Promise<SecretValues['known']> {
  return (await recallAll(secrets, session)).values.known.filter(({ value }) => value !== '');
}
