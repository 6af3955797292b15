/** `rehydrate bridge`: agents of this machine for web pages. `rehydrate serve`: one host, with its sessions, for many ACP clients. */
import path from 'node:path';
import type { StdioAgent } from '../../adapters/stdio/index.ts';
import { type BridgeEvent, type BridgeOptions, formatBridgeBanner, startBridge, streamDoor } from '../../bridge/index.ts';
import { type Command, firstSignal, SIGNAL_EXITS } from '../ends.ts';
import { hostOf } from '../host.ts';
import { type Call, has, many, numberOf, one, shellWords, UsageError, withAbsolutePaths } from '../parse.ts';
import { sessionOptions } from '../session.ts';
import type { CommandName } from '../table.ts';
import { tokenFrom } from '../token-file.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { type Server, startServer } from '../../server/index.ts';

export const bridge: Command = async ({ call, output, signals }) => {
  const json = has(call, 'json');
  const options: BridgeOptions = { ...bridgeOptions(call), log: (event) => note(event, output.note) };
  const ended = firstSignal(signals);
  const running = await listening(options, () => startBridge(options));
  if (json) output.json({ url: running.url, token: running.token, agents: running.agents });
  else output.line(formatBridgeBanner(running, options));
  const signal = await ended;
  await running.close();
  return SIGNAL_EXITS[signal];
};

/** Opens a port. When the system refuses, the error says what to do. */
async function listening<T>(options: Pick<BridgeOptions, 'host' | 'port'>, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const { code, syscall = '' } = error as NodeJS.ErrnoException;
    if (!/^(listen|bind|getaddrinfo)/.test(syscall)) throw error;
    throw new RehydrateError(
      'invalid_argument',
      `Nothing can listen on ${options.host ?? '127.0.0.1'} port ${options.port ?? 0}: ${(error as Error).message}. Choose another --host or --port.`,
      { code },
      { cause: error },
    );
  }
}

export function bridgeOptions(call: Call): BridgeOptions {
  return {
    ...doorOptions(call),
    agents: agentsOf(call),
    cwd: path.resolve(one(call, 'cwd') ?? '.'),
    allowMissingOrigin: has(call, 'allow-missing-origin'),
  };
}

function doorOptions(call: Call) {
  return {
    host: one(call, 'host'),
    port: numberOf(call, 'port'),
    origins: many(call, 'origin'),
    allowMcp: has(call, 'allow-mcp'),
    allowRemote: has(call, 'allow-remote'),
  };
}

function agentsOf(call: Call): Readonly<Record<string, StdioAgent>> {
  const agents = many(call, 'agent').map((entry) => agentEntry(entry, call.command));
  const names = agents.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`The agent “${twice}” was named twice; give each a name of its own.`, call.command);
  return Object.fromEntries(agents);
}

function agentEntry(text: string, caller: CommandName): readonly [string, StdioAgent] {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals);
  // The bridge runs agents in --cwd, but the paths of a command are relative to the current directory.
  const [command, ...args] = withAbsolutePaths(shellWords(text.slice(equals + 1)));
  if (command === undefined || command === '') throw new UsageError(`The agent “${name}” has no command: --agent NAME=COMMAND.`, caller);
  return [name, { command, args }];
}

export function note(event: BridgeEvent, say: (text: string) => void): void {
  switch (event.event) {
    case 'opened':
      return say(`opened ${event.connection}: ${event.agent}${event.pid === undefined ? '' : `, process ${event.pid}`}`);
    case 'closed':
      return say(`closed ${event.connection}: ${event.agent} ${event.exit}`);
    case 'refused':
      return say(`refused (${event.status}): ${event.reason}`);
    case 'note':
      return say(`${event.connection}: ${event.note}`);
    case 'listening':
    case 'stopped':
      return;
  }
}

export const serve: Command = async ({ call, output, signals }) => {
  const agents = agentsOf(call);
  const door = doorOptions(call);
  const options = sessionOptions(call);
  const file = one(call, 'token-file');
  const token = file === undefined ? undefined : tokenFrom(file, true);
  const opened = await hostOf(call, 'ask', options.env, { client: null, agents });
  // A second signal does not wait for turns to end.
  const ended = firstSignal(signals, opened.killAgents);
  try {
    const server = await listening(door, () =>
      startServer(opened.host, {
        agents: Object.keys(agents),
        env: options.env,
        // Programs send no Origin, and a browser always sends one. Both need the token.
        door: streamDoor({ ...door, token, allowMissingOrigin: true, log: (event) => note(event, output.note) }),
      }),
    );
    if (has(call, 'json')) output.json({ url: server.url, token: server.token, agents: server.agents });
    else output.line(banner(server, file));
    const signal = await ended;
    await server.close();
    return SIGNAL_EXITS[signal];
  } finally {
    await opened.close();
  }
};

function banner({ url, token, agents }: Server, file: string | undefined): string {
  return [
    `Serving on ${url}`,
    ...agents.map((name) => `  rehydrate acp --connect ${url} --token-file ${file ?? 'FILE'} --agent ${name}`),
    file === undefined ? `The token, for FILE: ${token}` : `The token is in ${file}.`,
  ].join('\n');
}
