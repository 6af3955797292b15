/** Secret values, which are never on disk: taken out when a session is created, and found again by their names when it resumes. */
import type { McpServer } from '@agentclientprotocol/sdk';
import { invalid, RehydrateError } from '../errors.ts';
import type { McpPlace, SecretRef, Secrets } from '../ports.ts';
import type { Secret } from '../transcript/redact.ts';

export interface SecretValues {
  readonly env: Readonly<Record<string, string>>;
  readonly mcpServers: readonly McpServer[];
  /** Every value with its name, for redaction. */
  readonly known: readonly Secret[];
}

/** The fields of an MCP server that hold values. A server should have one of the two; if it has both, both are hidden. */
const FIELDS = [
  ['env', 'mcp-env'],
  ['headers', 'mcp-header'],
] as const;

interface ValueField {
  readonly kind: 'mcp-env' | 'mcp-header';
  readonly field: 'env' | 'headers';
  readonly pairs: readonly Secret[];
}

function valueFieldsOf(server: McpServer): ValueField[] {
  return FIELDS.flatMap(([field, kind]) => {
    const pairs = (server as Partial<Record<'env' | 'headers', unknown>>)[field];
    if (pairs === undefined || pairs === null) return [];
    if (!Array.isArray(pairs) || !pairs.every((pair) => typeof pair?.name === 'string' && typeof pair.value === 'string')) {
      throw invalid(`The ${field} of MCP server "${server.name}" must be a list of { name, value }, both strings.`);
    }
    return [{ kind, field, pairs: pairs as Secret[] }];
  });
}

/** Error: `invalid_argument`, which says what is wrong and never quotes a value. */
export function checkServers(servers: readonly McpServer[]): void {
  const named = Array.isArray(servers) && servers.every((server) => typeof (server as Partial<McpServer> | null)?.name === 'string');
  if (!named) throw invalid('mcpServers must be a list of MCP servers in ACP’s form, each with a name.');
  servers.forEach(valueFieldsOf);
}

/** The servers as they are stored: of each value only the name stays, and nothing else that the caller put beside it. */
export function withoutValues(servers: readonly McpServer[]): McpServer[] {
  return servers.map((server) => {
    const names = valueFieldsOf(server).map(({ field, pairs }) => [field, pairs.map(({ name }) => ({ name, value: '' }))] as const);
    return { ...server, ...Object.fromEntries(names) } as McpServer;
  });
}

export function secretValues(env: Readonly<Record<string, string>>, mcpServers: readonly McpServer[]): SecretValues {
  return {
    env,
    mcpServers,
    known: [
      ...Object.entries(env).map(([name, value]) => ({ name, value })),
      ...mcpServers.flatMap((server) => valueFieldsOf(server).flatMap(({ pairs }) => pairs.map(({ name, value }) => ({ name, value })))),
    ],
  };
}

function placeOf(server: McpServer): McpPlace {
  const { url, command, args } = server as McpPlace;
  return { ...(url === undefined ? {} : { url }), ...(command === undefined ? {} : { command, args: args ?? [] }) };
}

// ---------------------------------------------------------------- finding them again

/** The port, as the host calls it. */
type AskSecret = (ref: SecretRef, signal?: AbortSignal) => ReturnType<Secrets>;

interface Named {
  readonly sessionId: string;
  readonly envNames: readonly string[];
  readonly mcpServers: readonly McpServer[];
}

interface Missing {
  readonly kind: SecretRef['kind'];
  readonly name: string;
  readonly server?: string;
}

/**
 * Finds each value: first among those that this host was given and still holds, then by asking the port. A server's held values count only
 * for a server that is the same in all else (address, command, arguments), so that no value reaches another place.
 */
async function resolveAll(
  secrets: AskSecret,
  session: Named,
  held?: SecretValues | null,
  signal?: AbortSignal,
): Promise<{ values: SecretValues; missing: Missing[] }> {
  const missing: Missing[] = [];
  const resolve = async (ref: SecretRef): Promise<string> => {
    const value = await secrets(ref, signal);
    if (value === undefined) missing.push(ref);
    return value ?? '';
  };
  const { sessionId } = session;
  const env: Record<string, string> = {};
  for (const name of session.envNames)
    env[name] = held && Object.hasOwn(held.env, name) ? held.env[name]! : await resolve({ sessionId, kind: 'env', name });
  const written = (server: McpServer) => JSON.stringify(withoutValues([server]));
  const servers: McpServer[] = [];
  for (const server of session.mcpServers) {
    const same = held?.mcpServers.find((candidate) => written(candidate) === written(server));
    if (same) {
      servers.push(same);
      continue;
    }
    const filled: Partial<Record<'env' | 'headers', Secret[]>> = {};
    for (const { kind, field, pairs } of valueFieldsOf(server)) {
      const values: Secret[] = [];
      for (const { name } of pairs)
        values.push({ name, value: await resolve({ sessionId, kind, server: server.name, place: placeOf(server), name }) });
      filled[field] = values;
    }
    servers.push({ ...server, ...filled } as McpServer);
  }
  return { values: secretValues(env, servers), missing };
}

/** Error: `secret_missing`, which names all that are missing. Call it before any agent starts. */
export async function resolveSecrets(
  secrets: AskSecret,
  session: Named,
  held?: SecretValues | null,
  signal?: AbortSignal,
): Promise<SecretValues> {
  const { values, missing } = await resolveAll(secrets, session, held, signal);
  if (missing.length === 0) return values;
  const { sessionId } = session;
  const names = missing.map(({ name, server }) => (server === undefined ? name : `${name} (of MCP server ${server})`));
  throw new RehydrateError(
    'secret_missing',
    `Session "${sessionId}" needs ${names.join(', ')}, whose values are never stored. ${adviceFor(missing)} No agent was started.`,
    { sessionId, missing: names },
  );
}

/** Headers are not read from the environment, where a variable of that name could be meant for any server. */
function adviceFor(missing: readonly Missing[]): string {
  const namesOf = (...kinds: SecretRef['kind'][]) =>
    missing
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ name }) => name)
      .join(', ');
  const variables = namesOf('env', 'mcp-env');
  const headers = namesOf('mcp-header');
  return [
    variables && `Set ${variables} in the environment, or give the host a \`secrets\` function that knows the value.`,
    headers &&
      `Give ${headers} again with its MCP server: \`--mcp FILE\` on the command line, \`mcpServers\` of \`host.update\` in a program; or give the host a \`secrets\` function that knows it, on Node processSecrets({ headers: { URL: { HEADER: VARIABLE } } }).`,
  ]
    .filter(Boolean)
    .join(' ');
}

/** The values that can be found, to redact a record that is only read. */
export async function resolveKnown(secrets: AskSecret, session: Named, held?: SecretValues | null): Promise<SecretValues['known']> {
  return (await resolveAll(secrets, session, held)).values.known.filter(({ value }) => value !== '');
}
