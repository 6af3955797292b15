import { homedir } from 'node:os';
import { RehydrateError } from '../../engine/errors.ts';
import type { AgentLauncher, AgentProcess, AgentSpec } from '../../engine/ports.ts';
import { startProcess } from './agent-process.ts';
import { STDIO_LIMITS, type StdioLimits } from './limits.ts';
import { messageStream } from './message-stream.ts';
import { withLimits } from '../../engine/with-limits.ts';

/** How to run one agent. No shell is involved: `command` is a program, found through PATH. */
export interface StdioAgent {
  readonly command: string;
  readonly args?: readonly string[];
  /** On top of the inherited environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the session's working directory; an agent that is started before it has a session runs in the home directory. */
  readonly cwd?: string;
}

export interface StdioLauncherOptions {
  /** The agents by name, or what finds one; undefined is `agent_not_found`. */
  readonly agents:
    Readonly<Record<string, StdioAgent>> | ((name: string, spec: AgentSpec) => StdioAgent | undefined | Promise<StdioAgent | undefined>);
  /** Whether agents get this process's environment. Default true. */
  readonly inheritEnv?: boolean;
  readonly limits?: Partial<StdioLimits>;
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
  const limits: StdioLimits = withLimits(STDIO_LIMITS, options.limits);
  return {
    async launch(spec, { signal }): Promise<AgentProcess> {
      const agent = await resolve(options.agents, spec);
      const running = await startProcess(
        {
          name: spec.agent,
          command: agent.command,
          args: agent.args ?? [],
          // Without a session: not in this process's own directory, whose files would be taken for a project's, nor in one that others can write to.
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
      };
    },
  };
}

async function resolve(agents: StdioLauncherOptions['agents'], spec: AgentSpec): Promise<StdioAgent> {
  const found =
    typeof agents === 'function' ? await agents(spec.agent, spec) : Object.hasOwn(agents, spec.agent) ? agents[spec.agent] : undefined;
  if (found !== undefined) return found;
  const names = typeof agents === 'function' ? [] : Object.keys(agents);
  throw new RehydrateError(
    'agent_not_found',
    `There is no agent named '${spec.agent}'. ${names.length === 0 ? 'Name one that the launcher knows.' : `There is: ${names.join(', ')}.`}`,
    { agent: spec.agent, agents: names },
  );
}
