/** The bridge: behind its door, each client that is let in gets an agent's process tree of its own. */
import { RehydrateError } from '../engine/errors.ts';
import { describeExit } from '../engine/ports.ts';
import { withLimits } from '../engine/with-limits.ts';
import { startProcess } from '../adapters/stdio/agent-process.ts';
import { STDIO_LIMITS } from '../adapters/stdio/limits.ts';
import { closeFrame } from './close.ts';
import { Connection } from './connection.ts';
import { openDoor, type Visitor } from './door.ts';
import { type BridgeOptions, type Door, checkAgents } from './options.ts';

export interface Bridge extends Door {
  readonly agents: readonly string[];
  readonly cwd: string;
}

/** Starts a bridge. Rejects with `invalid_argument`, or with the system's error when the port cannot be had. */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { cwd, places } = checkAgents(options);
  const door = await openDoor({ ...options, agents: places }, (visitor) => startAgent(visitor, options, cwd));
  return { ...door, agents: Object.keys(options.agents), cwd };
}

/** Starts the agent first: a client that is let in has an agent, or is told at once why not. */
async function startAgent(visitor: Visitor, options: BridgeOptions, bridgeCwd: string): Promise<void> {
  const { id, agent, limits } = visitor;
  const { command, args = [], env, cwd = bridgeCwd } = options.agents[agent]!;
  let running: Awaited<ReturnType<typeof startProcess>>;
  try {
    running = await startProcess(
      { name: agent, command, args, cwd, env: { ...process.env, ...env } },
      { limits: withLimits({ ...STDIO_LIMITS, messageBytes: limits.messageBytes }, options.processLimits) },
    );
  } catch (error) {
    // Whatever went wrong, it is this client's to hear, and no reason to end the others.
    const message = error instanceof Error ? error.message : String(error);
    const exit = { kind: 'not_started', code: null, signal: null, message } as const;
    visitor.remember({ connection: id, agent, exit, stderr: '' });
    options.log?.({ event: 'closed', connection: id, agent, exit: `could not start (${RehydrateError.is(error) ? error.code : message})` });
    visitor.upgrade(({ websocket }) => {
      const frame = closeFrame({ kind: 'exit', exit }, id);
      websocket.close(frame.code, frame.reason);
      return null;
    });
    return;
  }
  const attached = visitor.upgrade((client) => {
    const connection = new Connection(agent, running, client);
    options.log?.({ event: 'opened', connection: id, agent, pid: running.pid });
    void connection.exited.then((exit) => options.log?.({ event: 'closed', connection: id, agent, exit: describeExit(exit) }));
    return connection;
  });
  // The client went while its agent started: nobody will end the agent but us.
  if (!attached) await running.end('kill');
}
