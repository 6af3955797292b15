/** The session that a command works on: its options, then creating it or checking that it fits them. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { sameDirectory } from '../adapters/node-host/index.ts';
import type { Output } from './output.ts';
import { type Call, many, one } from './parse.ts';
import { RehydrateError } from '../engine/errors.ts';
import type { Host } from '../engine/index.ts';
import { fieldsOf, stringOf } from '../engine/objects.ts';
import type { McpServer, SessionInfo } from '../engine/types.ts';

export type SessionOptions = ReturnType<typeof sessionOptions>;

/** Reads and checks the options, before anything is opened or started. */
export function sessionOptions(call: Call, environment: NodeJS.ProcessEnv = process.env) {
  const names = many(call, 'env');
  const missing = names.filter((name) => environment[name] === undefined);
  if (missing.length > 0) {
    throw new RehydrateError(
      'secret_missing',
      `${missing.join(', ')} must be set in the environment (--env). No agent was started; set ${missing.length === 1 ? 'it' : 'them'} and try again.`,
      { missing },
    );
  }
  const cwd = one(call, 'cwd');
  const mcp = one(call, 'mcp');
  return {
    sessionId: one(call, 'session') as string,
    agent: path.basename(call.agent[0] ?? ''),
    cwd: cwd === undefined ? undefined : path.resolve(cwd),
    env: Object.fromEntries(names.map((name) => [name, environment[name] as string])),
    mcpServers: mcp === undefined ? undefined : readMcpFile(mcp),
    auth: one(call, 'auth'),
    mode: one(call, 'mode'),
    settings: many(call, 'set').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
  };
}

/** Creates the session if it does not exist. `before` is the last event before this call, which shows only later ones. */
export async function readySession(host: Host, options: SessionOptions, output: Output, signal: AbortSignal) {
  const { sessionId, agent, env, mcpServers } = options;
  const present = await findSession(host, sessionId);
  if (options.auth !== undefined) await host.authenticate(present?.agent ?? agent, options.auth);
  if (present) return useExisting(host, present, options, output);
  try {
    const session = await host.create({
      agent,
      sessionId,
      cwd: options.cwd ?? process.cwd(),
      env,
      ...(mcpServers ? { mcpServers } : {}),
      signal,
    });
    return { session, before: session.firstSeq - 1 };
  } catch (error) {
    // Another process may have created it since we looked.
    const made = RehydrateError.is(error) && error.code === 'session_exists' ? await findSession(host, sessionId) : null;
    if (made === null) throw error;
    return useExisting(host, made, options, output);
  }
}

async function findSession(host: Host, sessionId: string): Promise<SessionInfo | null> {
  try {
    return await host.get(sessionId);
  } catch (error) {
    if (RehydrateError.is(error) && error.code === 'session_not_found') return null;
    throw error;
  }
}

/** Takes an existing session. `--cwd` may move it only when its directory is gone; `--mcp` replaces all its MCP servers. */
async function useExisting(host: Host, session: SessionInfo, { cwd, mcpServers }: SessionOptions, output: Output) {
  const { sessionId } = session;
  const before = session.latestSeq;
  const here = cwd ?? process.cwd();
  const isElsewhere = !(await sameDirectory(here, session.cwd));
  const moves = isElsewhere && cwd !== undefined && !existsSync(session.cwd);
  if (isElsewhere && !moves) {
    if (cwd === undefined) output.note(`session ${sessionId} works in ${session.cwd}`);
    else
      throw new RehydrateError(
        'invalid_argument',
        `Session "${sessionId}" works in ${session.cwd}, not in ${cwd}, and moves only when that directory is gone. Leave --cwd out, or use another --session.`,
        { sessionId, cwd: session.cwd },
      );
  }
  if (!moves && !mcpServers) return { session, before };
  const changed = await host.update(sessionId, { ...(moves ? { cwd } : {}), ...(mcpServers ? { mcpServers } : {}) });
  if (moves) output.note(`session ${sessionId} works in ${cwd} from now on; ${session.cwd} is gone`);
  if (JSON.stringify(changed.mcpServers) !== JSON.stringify(session.mcpServers))
    output.note(
      `session ${sessionId} has other MCP servers from now on: ${changed.mcpServers.map(({ name }) => name).join(', ') || 'none'}`,
    );
  return { session: changed, before };
}

export async function applySettings(host: Host, { sessionId, mode, settings }: SessionOptions): Promise<void> {
  if (mode !== undefined) await host.setMode(sessionId, mode);
  for (const [key, value] of settings) await setOption(host, sessionId, key, value);
}

/** Sets a configuration option from text. Boolean options take `true` and `false`. */
export async function setOption(host: Host, sessionId: string, key: string, value: string): Promise<void> {
  // Only a live agent tells the option's type.
  await host.resume(sessionId);
  const option = (await host.get(sessionId)).configOptions?.find((each) => each.id === key);
  const isSwitch = option?.type === 'boolean';
  if (isSwitch && value !== 'true' && value !== 'false') {
    throw new RehydrateError('invalid_argument', `The option ${key} is true or false, not “${value}”.`, { sessionId, option: key });
  }
  await host.setConfigOption(sessionId, key, isSwitch ? value === 'true' : value);
}

export function readMcpFile(file: string): McpServer[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // The parser's own message quotes the text, which may hold secrets.
    const why = error instanceof SyntaxError ? 'it is not JSON' : error instanceof Error ? error.message : String(error);
    throw invalid(file, why);
  }
  return mcpServers(value, file);
}

/** Reads the servers from a parsed file, in ACP's form. The host checks their names and values. */
export function mcpServers(value: unknown, file: string): McpServer[] {
  const { mcpServers: table } = fieldsOf(value);
  if (!Array.isArray(value) && (typeof table !== 'object' || table === null || Array.isArray(table)))
    throw invalid(file, 'it is neither an array of ACP MCP servers nor {"mcpServers": {…}}');
  const servers = Array.isArray(value) ? (value as unknown[]) : Object.entries(table as object).map(fromSettings);
  return servers.map((server) => {
    const { name, command, args = [], type, url } = fieldsOf(server);
    if (typeof command === 'string' && Array.isArray(args) && args.every((each) => typeof each === 'string'))
      return { args, env: [], ...(server as McpServer) };
    if (typeof url === 'string' && (type === 'http' || type === 'sse')) return { headers: [], ...(server as McpServer) };
    throw invalid(file, `${stringOf(name) || 'a server'} has neither a command with a list of args nor a type (http, sse) with a url`);
  });
}

/** One entry of `{"mcpServers": {…}}`, as other tools keep it. Fields that ACP does not have are left out. A URL is http unless it says sse. */
function fromSettings([name, entry]: [string, unknown]): object {
  const { command, args = [], env, type, url, headers } = fieldsOf(entry);
  const pairs = (values: unknown) => Object.entries(fieldsOf(values)).map(([key, value]) => ({ name: key, value }));
  if (command !== undefined) return { name, command, args, env: pairs(env) };
  return { name, type: type === 'sse' ? 'sse' : 'http', url, headers: pairs(headers) };
}

function invalid(file: string, why: string): RehydrateError {
  return new RehydrateError('invalid_argument', `The MCP file ${file} cannot be used: ${why}. Correct it, or leave --mcp out.`, {
    file,
    reason: why,
  });
}
