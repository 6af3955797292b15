/** The values of a session, asked for by name again. */
import type { McpServer } from '@agentclientprotocol/sdk';
import type { SecretRef, Secrets } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import { fieldsOf, secretValues, type Pair, type SecretValues } from './secrets.ts';

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
    const filled: Partial<Record<'env' | 'headers', Pair[]>> = {};
    for (const { kind, field, pairs } of fieldsOf(server)) {
      const values: Pair[] = (filled[field] = []);
      for (const { name } of pairs)
        values.push({ name, value: await recall({ sessionId: session.sessionId, kind, server: server.name, name }) });
    }
    servers.push({ ...server, ...filled } as McpServer);
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
