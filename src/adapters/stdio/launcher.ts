/** Launches agents as child processes, and turns their lines into web streams of messages. */
import { homedir } from 'node:os';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { type RunningProcess, startProcess } from './agent-process.ts';
import { STDIO_LIMITS, type StdioLimits } from './limits.ts';
import { looksLikeMessage } from '../json-rpc.ts';
import { corker, findInLine, messageLine, readLines, utf8Reader } from './lines.ts';
import { isObject } from '../../engine/objects.ts';
import { checkOptions, isVariable, shown } from '../../engine/check-options.ts';
import { invalid, RehydrateError } from '../../engine/errors.ts';
import { exceeds } from '../../engine/transcript/text.ts';
import type { AgentLauncher, AgentProcess, AgentSpec, MessageStream } from '../../engine/ports.ts';
import { withLimits } from '../../engine/with-limits.ts';

/** How to run one agent. No shell is involved: `command` is a program, found through PATH. */
export interface StdioAgent {
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  /** Added to the inherited environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default: the session's working directory, or the home directory for an agent that is started without a session. */
  readonly cwd?: string | undefined;
}

export interface StdioLauncherOptions {
  /** The agents by name, or a function that finds one; undefined means `agent_not_found`. */
  readonly agents:
    Readonly<Record<string, StdioAgent>> | ((name: string, spec: AgentSpec) => StdioAgent | undefined | Promise<StdioAgent | undefined>);
  /** Whether agents get this process's environment. Default true. */
  readonly inheritEnv?: boolean | undefined;
  readonly limits?: Partial<Record<keyof StdioLimits, number | undefined>> | undefined;
}

/**
 * Agents as child processes that speak ACP on stdin and stdout.
 *
 * `launch` rejects with `agent_not_found`, `cwd_missing` or `agent_start_failed`, or with the reason of
 * its signal, and leaves nothing running then. The signal covers the launch; afterwards `end()` does.
 *
 * @example
 * const agents = stdioLauncher({ agents: { opencode: { command: 'opencode', args: ['acp'] } } });
 */
export function stdioLauncher(options: StdioLauncherOptions): AgentLauncher {
  checkOptions('stdioLauncher', options, ['agents', 'inheritEnv', 'limits'], ['agents']);
  const limits: StdioLimits = withLimits(STDIO_LIMITS, options.limits);
  checkAgents(options.agents);
  return {
    async launch(spec, { signal }): Promise<AgentProcess> {
      const agent = await resolve(options.agents, spec);
      const running = await startProcess(
        {
          name: spec.agent,
          command: agent.command,
          args: agent.args ?? [],
          // Without a session, the home directory: files in this process's own directory would be taken for a project's, and a temporary
          // directory may be writable by others.
          cwd: agent.cwd ?? spec.cwd ?? homedir(),
          env: { ...(options.inheritEnv === false ? {} : process.env), ...agent.env, ...spec.env },
        },
        { signal, limits },
      );
      return {
        stream: messageStream(spec.agent, running, limits),
        exited: running.exited,
        end: (how) => running.end(how),
        diagnostics: () => running.diagnostics(),
        dropped: () => running.dropped,
      };
    },
  };
}

/** Refuses agents that cannot be run. For example, a string for `args` would be taken letter by letter. */
export function checkAgents(agents: StdioLauncherOptions['agents']): void {
  // (The agents of a function are checked when it has found them.)
  for (const [name, agent] of Object.entries(agents ?? {})) {
    checkOptions(`The agent "${name}"`, agent, ['command', 'args', 'env', 'cwd']);
    const { command, args = [], env = {}, cwd = '.' } = agent ?? {};
    const isText = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0');
    if (!isText(command) || command === '' || !Array.isArray(args) || !args.every(isText))
      throw invalid(`The agent "${name}" needs a command, and args as a list of their own: { command: 'node', args: ['agent.js'] }.`);
    if (!isText(cwd)) throw invalid(`The agent "${name}": cwd must be the path of a directory; it is ${shown(cwd)}.`);
    if (!isObject(env)) throw invalid(`The agent "${name}": env must be an object of names and values; it is ${shown(env)}.`);
    for (const [variable, value] of Object.entries(env))
      if (!isVariable(variable) || !isText(value))
        throw invalid(`The agent "${name}": env.${variable} must be a text without NUL, and its name without "=".`);
  }
}

async function resolve(agents: StdioLauncherOptions['agents'], spec: AgentSpec): Promise<StdioAgent> {
  const found =
    typeof agents === 'function' ? await agents(spec.agent, spec) : Object.hasOwn(agents, spec.agent) ? agents[spec.agent] : undefined;
  if (found !== undefined) {
    if (typeof agents === 'function') checkAgents({ [spec.agent]: found });
    return found;
  }
  const names = typeof agents === 'function' ? [] : Object.keys(agents);
  throw new RehydrateError(
    'agent_not_found',
    `There is no agent named '${spec.agent}'. ${names.length === 0 ? 'Name one that the launcher knows.' : `There is: ${names.join(', ')}.`}`,
    { agent: spec.agent, agents: names },
  );
}

/**
 * An agent's lines as web streams of messages, with backpressure both ways. Lines that are not messages go to its diagnostics, and those that
 * were meant to be messages are counted. A line over `messageBytes` errors the readable side, a message over it the writable side.
 */
export function messageStream(
  agent: string,
  running: Pick<RunningProcess, 'stdin' | 'stdout' | 'note' | 'drop'>,
  limits: StdioLimits,
): MessageStream {
  return { readable: readMessages(agent, running, limits), writable: writeMessages(agent, running, limits) };
}

function tooLarge(agent: string, direction: string, limit: number): RehydrateError {
  return new RehydrateError(
    'limit_exceeded',
    `A message ${direction} the agent '${agent}' is larger than the limit messageBytes (${limit} bytes).`,
    {
      agent,
      limit: 'messageBytes',
      value: limit,
    },
  );
}

function readMessages(
  agent: string,
  running: Pick<RunningProcess, 'stdout' | 'note' | 'drop'>,
  limits: StdioLimits,
): ReadableStream<AnyMessage> {
  /** True until its first message. */
  let opening = true;
  const utf8 = utf8Reader((note) => running.note(note));
  const take = (bytes: Buffer): AnyMessage | undefined => {
    const line = utf8(bytes);
    const found = findInLine(line, opening);
    if (found === null || found.start > 0) {
      const rest = found === null ? line : line.subarray(0, found.start);
      const text = rest.toString('utf8');
      if (looksLikeMessage(text)) running.drop(text);
      else running.note(rest);
    }
    if (found !== null) opening = false;
    return found?.message;
  };
  return readLines(running.stdout, limits, take, {
    tooLong: ({ limit }) => tooLarge(agent, 'from', limit),
    // Reads on, so that a full pipe does not keep the agent from seeing the end of its stdin.
    left: () => {
      running.stdout.resume();
    },
  });
}

function writeMessages(agent: string, running: Pick<RunningProcess, 'stdin'>, limits: StdioLimits): WritableStream<AnyMessage> {
  const { stdin } = running;
  const cork = corker(stdin);
  const gone = (): RehydrateError =>
    new RehydrateError('agent_exited', `The agent '${agent}' no longer reads its input: it has exited or closed it.`, { agent });
  return new WritableStream<AnyMessage>(
    {
      async write(message) {
        const line = `${messageLine(message)}\n`;
        if (exceeds(limits.messageBytes, line)) throw tooLarge(agent, 'to', limits.messageBytes);
        if (!stdin.writable) throw gone();
        cork();
        if (stdin.write(line)) return;
        await new Promise<void>((resolve, reject) => {
          const done = (settle: () => void) => () => {
            stdin.off('drain', drained);
            stdin.off('close', closed);
            settle();
          };
          const drained = done(resolve);
          const closed = done(() => reject(gone()));
          stdin.once('drain', drained);
          stdin.once('close', closed);
        });
      },
      close() {
        stdin.end();
      },
      abort() {
        stdin.destroy();
      },
    },
    { highWaterMark: 1 },
  );
}
