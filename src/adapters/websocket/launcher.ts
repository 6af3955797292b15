import { checkOptions } from '../../engine/check-options.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { asExit, type AgentExit, type AgentLauncher, type AgentProcess, type AgentSpec } from '../../engine/ports.ts';
import { agentsOf, ask, type BridgeAddress, bridgeProblem, checkToken, httpUrl } from './bridge-client.ts';
import { type CloseFacts, exitFromClose, readDiagnostics, saysExit } from './exit.ts';
import { WEBSOCKET_LIMITS, type WebSocketLimits } from './limits.ts';
import { socketStream, type WebSocketLike } from './message-stream.ts';
import { randomId } from '../../engine/random-id.ts';
import { within } from '../../engine/waiting.ts';
import { withLimits } from '../../engine/with-limits.ts';

export interface WebSocketLauncherOptions extends BridgeAddress {
  /** Default: the global one. For a bridge that checks origins, a program injects one that sends an Origin. */
  readonly WebSocket?: (new (url: string, protocols: string[]) => WebSocketLike) | undefined;
  readonly limits?: Partial<Record<keyof WebSocketLimits, number | undefined>> | undefined;
}

const OPTIONS: readonly (keyof WebSocketLauncherOptions)[] = ['url', 'token', 'fetch', 'WebSocket', 'limits'];
/** The result of `startBridge` can be passed as it is. */
const OF_A_BRIDGE = ['agents', 'cwd', 'close'];

/**
 * Agents behind a bridge; `launch` reaches `{url}/agents/NAME`.
 *
 * It rejects with `agent_not_found`, `agent_start_failed` (no bridge, not let in, the agent does not
 * start), `limit_exceeded`, or `invalid_argument` for a session with environment values: an agent has
 * its bridge's environment. The session's `cwd` travels in ACP; the process itself runs where the bridge says.
 *
 * @example
 * const agents = websocketLauncher({ url: 'ws://127.0.0.1:4711', token });
 */
export function websocketLauncher(options: WebSocketLauncherOptions): AgentLauncher {
  checkOptions('websocketLauncher', options, [...OPTIONS, ...OF_A_BRIDGE] as typeof OPTIONS, ['url', 'token']);
  checkToken(options.token);
  const limits: WebSocketLimits = withLimits(WEBSOCKET_LIMITS, options.limits);
  return {
    async launch(spec, { signal }): Promise<AgentProcess> {
      signal.throwIfAborted();
      if (Object.keys(spec.env ?? {}).length > 0) {
        throw new RehydrateError(
          'invalid_argument',
          `The agent '${spec.agent}' runs behind a bridge and has that bridge's environment. Set ${Object.keys(spec.env ?? {}).join(', ')} where the bridge is started.`,
          { agent: spec.agent },
        );
      }
      return connect(spec, options, limits, signal);
    },
  };
}

/** Resolves when the agent runs; when it rejects, nothing is left of it. */
async function connect(
  { agent }: AgentSpec,
  options: WebSocketLauncherOptions,
  limits: WebSocketLimits,
  signal: AbortSignal,
): Promise<AgentProcess> {
  const { url, token } = options;
  const { openMs, requestMs, endMs } = limits;
  /** Names the connection, so that its end can be asked for and told. */
  const id = randomId();
  const Socket = options.WebSocket ?? (globalThis.WebSocket as unknown as NonNullable<WebSocketLauncherOptions['WebSocket']>);
  const address = `${httpUrl(url).replace(/^http/, 'ws')}/agents/${encodeURIComponent(agent)}`;
  // SECURITY: the token is in a subprotocol, because addresses end up in logs and histories.
  const socket = new Socket(address, ['acp.v1', `bearer.${token}`, `conn.${id}`]);
  let diagnostics = '';
  const note = (text: string): void => {
    if (text !== '') diagnostics = [diagnostics, text].filter(Boolean).join('\n').slice(-limits.stderrCharacters);
  };
  const messages = socketStream(agent, socket, limits, note);
  const exit = Promise.withResolvers<AgentExit>();
  let settled = false;
  const finish = (how: AgentExit): void => {
    if (settled) return;
    settled = true;
    if (how.stderr !== undefined && !diagnostics.includes(how.stderr)) note(how.stderr);
    exit.resolve(how);
  };
  const askBridge = <T>(method: 'GET' | 'DELETE', tail: string, ms: number) => ask<T>(options, method, `/connections/${id}${tail}`, ms);

  const opened = new Promise<boolean>((resolve) => {
    socket.addEventListener('open', () => resolve(true));
    socket.addEventListener('close', () => resolve(false));
    socket.addEventListener('error', () => undefined); // 'close' follows, with as much as is known
  });
  const closed = new Promise<CloseFacts>((resolve) => {
    socket.addEventListener('close', (({ code, reason }: CloseFacts) => resolve({ code, reason })) as (event: never) => void);
  });
  void closed.then(async (close) => {
    messages.closed();
    // A socket that never opened has no agent.
    if (await opened) await conclude(close);
  });

  /** Finds out how the agent ended, once its tree is gone. */
  async function conclude(close: CloseFacts): Promise<void> {
    if (settled) return;
    // When the agent did not end by itself, the bridge is ending its tree now, and asking waits for that.
    if (!saysExit(close.code)) await askBridge('DELETE', '?how=ask', endMs);
    const report = await askBridge<unknown>('GET', '/diagnostics', requestMs);
    const { exit, limit, stderr } = readDiagnostics(report.kind === 'answered' ? report.body : null);
    note(stderr);
    finish(exitFromClose(close, { exit, limit: messages.exceeded ?? limit }));
  }

  /** The socket opens before the bridge says, in the close frame that follows, that it could not start the agent. */
  async function startProblem(): Promise<RehydrateError | null> {
    const answer = await askBridge<unknown>('GET', '/diagnostics', requestMs);
    const { exit: problem } = readDiagnostics(answer.kind === 'answered' ? answer.body : null);
    return problem?.kind === 'not_started' ? new RehydrateError('agent_start_failed', problem.message, { agent, url }) : null;
  }

  const stopped = AbortSignal.any([signal, AbortSignal.timeout(openMs)]);
  const late = new Promise<'late'>((resolve) => stopped.addEventListener('abort', () => resolve('late'), { once: true }));
  const isOpen = await Promise.race([opened, late]);
  if (isOpen === false) throw await whyRefused(agent, options, requestMs);
  const problem = isOpen === 'late' ? 'late' : await Promise.race([startProblem(), late]);
  if (problem === 'late') {
    socket.close();
    await askBridge('DELETE', '?how=kill', endMs);
    signal.throwIfAborted();
    const message = `The bridge at ${url} did not open a connection within ${openMs} ms (openMs).`;
    throw new RehydrateError('agent_start_failed', message, { agent });
  }
  if (problem !== null) throw problem;

  return {
    stream: messages.stream,
    exited: exit.promise,
    diagnostics: () => diagnostics,
    dropped: () => messages.dropped,
    async end(how) {
      if (settled) return exit.promise;
      const answer = await askBridge<unknown>('DELETE', `?how=${how}`, endMs);
      const ended = answer.kind === 'answered' ? asExit(answer.body) : null;
      if (ended === null) {
        // The bridge does not answer; if it lives, it ends the tree when the socket closes. A network that is gone never says that it did.
        socket.close();
        if ((await within(closed, requestMs)) === undefined) {
          messages.closed();
          const message = `the bridge neither ended it within ${endMs} ms (endMs) nor closed the connection within ${requestMs} ms (requestMs)`;
          finish({ kind: 'disconnected', code: null, signal: null, message });
        }
        return exit.promise;
      }
      finish(ended);
      // The bridge closes the socket after the agent's last message; closing it first would lose that one.
      const timer = setTimeout(() => socket.close(), requestMs);
      void closed.then(() => clearTimeout(timer));
      return ended;
    },
  };
}

/** A browser does not tell why an upgrade was refused; the list of agents does. */
async function whyRefused(agent: string, bridge: BridgeAddress, ms: number): Promise<RehydrateError> {
  const { url } = bridge;
  const agents = (await agentsOf(bridge, ms)).map(({ name }) => name);
  if (agents.includes(agent))
    return bridgeProblem(url, { kind: 'refused', status: 503, reason: 'too many connections, or too many in one second' });
  const message = `The bridge at ${url} has no agent named '${agent}'. It has: ${agents.join(', ')}.`;
  return new RehydrateError('agent_not_found', message, { agent, agents });
}
