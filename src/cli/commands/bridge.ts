/** `rehydrate bridge`: agents of this machine, for pages of a browser. */
import path from 'node:path';
import { formatBridgeBanner, startBridge } from '../../bridge/index.ts';
import type { BridgeEvent, BridgeOptions } from '../../bridge/index.ts';
import type { StdioAgent } from '../../adapters/stdio/index.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { SIGNAL_EXITS } from '../exit-codes.ts';
import type { EndingSignal } from '../exit-codes.ts';
import type { Command } from '../context.ts';
import { count, has, many, one, UsageError } from '../parse.ts';
import type { Call } from '../parse.ts';
import type { CommandName } from '../table.ts';
import { shellWords, whereTyped } from '../agent-words.ts';

export const bridge: Command = async ({ call, output, signals }) => {
  const json = has(call, 'json');
  const options: BridgeOptions = { ...bridgeOptions(call), log: (event) => note(event, output.note) };
  const ended = new Promise<EndingSignal>((resolve) => signals.on(resolve));
  const running = await listening(options, () => startBridge(options));
  if (json) output.json({ url: running.url, token: running.token, agents: running.agents });
  else output.line(formatBridgeBanner(running, options));
  const signal = await ended;
  await running.close();
  return SIGNAL_EXITS[signal];
};

/** What opens a port, with the system's refusal in the contract's words. */
export async function listening<T>(options: Pick<BridgeOptions, 'host' | 'port'>, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL' && code !== 'ENOTFOUND') throw error;
    throw new RehydrateError(
      'invalid_argument',
      `Nothing can listen on ${options.host ?? '127.0.0.1'} port ${options.port ?? 0}: ${(error as Error).message}. Choose another --host or --port.`,
      { code },
      { cause: error },
    );
  }
}

/** The options of a call, without what only a running process knows. */
export function bridgeOptions(call: Call): BridgeOptions {
  return {
    ...doorOptions(call),
    agents: agentsOf(call),
    cwd: path.resolve(one(call, 'cwd') ?? '.'),
    allowMissingOrigin: has(call, 'allow-missing-origin'),
  };
}

/** Where a bridge or a server listens, and whom it lets in. */
export function doorOptions(call: Call) {
  return {
    host: one(call, 'host'),
    port: count(call, 'port'),
    origins: many(call, 'origin'),
    allowMcp: has(call, 'allow-mcp'),
    allowRemote: has(call, 'allow-remote'),
  };
}

/** The agents that a bridge or a server offers, by name. */
export function agentsOf(call: Call): Readonly<Record<string, StdioAgent>> {
  const agents = many(call, 'agent').map((entry) => agentEntry(entry, call.command));
  const names = agents.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`The agent “${twice}” was named twice; give each a name of its own.`, call.command);
  return Object.fromEntries(agents);
}

function agentEntry(text: string, caller: CommandName): readonly [string, StdioAgent] {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals);
  // The bridge runs agents in --cwd; files are meant as seen from here.
  const [command, ...args] = whereTyped(shellWords(text.slice(equals + 1)));
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
