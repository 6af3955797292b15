import { RehydrateError } from '../../engine/errors.ts';
import type { AgentExit, AgentLauncher, AgentProcess, AgentSpec } from '../../engine/ports.ts';
import { ask, type BridgeAddress, type BridgeAgent, bridgeProblem, httpUrl } from './bridge-client.ts';
import { asExit, type CloseFacts, type ConnectionDiagnostics, exitFromClose, saysExit } from './exit.ts';
import { WEBSOCKET_LIMITS, type WebSocketLimits } from './limits.ts';
import { socketStream, type WebSocketLike } from './message-stream.ts';
import { randomId } from '../../engine/random-id.ts';
import { withLimits } from '../../engine/with-limits.ts';

export interface WebSocketLauncherOptions extends BridgeAddress {
  /** Default: the global one. For a bridge that checks origins, a program injects one that sends an Origin. */
  readonly WebSocket?: new (url: string, protocols: string[]) => WebSocketLike;
  readonly limits?: Partial<WebSocketLimits>;
}

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
      const connection = new BridgeConnection(spec, options, limits);
      await connection.open(signal);
      return connection;
    },
  };
}

class BridgeConnection implements AgentProcess {
  readonly stream: AgentProcess['stream'];
  readonly exited: Promise<AgentExit>;
  readonly #spec: AgentSpec;
  readonly #options: WebSocketLauncherOptions;
  readonly #limits: WebSocketLimits;
  /** Names the connection, so that its end can be asked for and is told as truthfully as over stdio. */
  readonly #id = randomId();
  readonly #socket: WebSocketLike;
  readonly #opened: Promise<boolean>;
  readonly #closed: Promise<CloseFacts>;
  readonly #exit = Promise.withResolvers<AgentExit>();
  #diagnostics = '';
  #settled = false;

  constructor(spec: AgentSpec, options: WebSocketLauncherOptions, limits: WebSocketLimits) {
    this.#spec = spec;
    this.#options = options;
    this.#limits = limits;
    const Socket = options.WebSocket ?? (globalThis.WebSocket as unknown as NonNullable<WebSocketLauncherOptions['WebSocket']>);
    const url = `${httpUrl(options.url).replace(/^http/, 'ws')}/agents/${encodeURIComponent(spec.agent)}`;
    // SECURITY: the token goes in a subprotocol, because addresses end up in logs and histories.
    const socket = new Socket(url, ['acp.v1', `bearer.${options.token}`, `conn.${this.#id}`]);
    this.#socket = socket;
    this.exited = this.#exit.promise;
    const messages = socketStream(spec.agent, socket, limits, (text) => this.#note(text));
    this.stream = messages.stream;
    this.#opened = new Promise((resolve) => {
      socket.addEventListener('open', () => resolve(true));
      socket.addEventListener('close', () => resolve(false));
      socket.addEventListener('error', () => undefined); // 'close' follows, with as much as is known
    });
    this.#closed = new Promise((resolve) => {
      socket.addEventListener('close', ((event: { code: number; reason: string }) =>
        resolve({ code: event.code, reason: event.reason })) as (event: never) => void);
    });
    void this.#closed.then(async (close) => {
      messages.closed();
      // A socket that never opened has no agent behind it; `open` says why.
      if (await this.#opened) await this.#conclude(close);
    });
  }

  /** Resolves when the agent runs; otherwise nothing is left of it. */
  async open(signal: AbortSignal): Promise<void> {
    const { openMs, endMs } = this.#limits;
    const stopped = AbortSignal.any([signal, AbortSignal.timeout(openMs)]);
    const late = new Promise<'late'>((resolve) => stopped.addEventListener('abort', () => resolve('late'), { once: true }));
    const opened = await Promise.race([this.#opened, late]);
    if (opened === false) throw await this.#whyRefused();
    const problem = opened === 'late' ? 'late' : await Promise.race([this.#startProblem(), late]);
    if (problem === null) return;
    if (problem !== 'late') throw problem;
    this.#socket.close();
    await this.#ask('DELETE', '?how=kill', endMs);
    signal.throwIfAborted();
    throw new RehydrateError(
      'agent_start_failed',
      `The bridge at ${this.#options.url} did not open a connection within ${openMs} ms (openMs).`,
      { agent: this.#spec.agent },
    );
  }

  async end(how: 'ask' | 'kill'): Promise<AgentExit> {
    if (this.#settled) return this.exited;
    const answer = await this.#ask<unknown>('DELETE', `?how=${how}`, this.#limits.endMs);
    const exit = answer.kind === 'answered' ? asExit(answer.body) : null;
    if (exit === null) {
      // No bridge to ask: closing the socket is all that can be done, and the bridge, if it lives, ends the tree.
      this.#socket.close();
      return this.exited;
    }
    this.#finish(exit);
    // The bridge closes the socket behind the agent's last message; closing it first would lose that one.
    const timer = setTimeout(() => this.#socket.close(), this.#limits.requestMs);
    void this.#closed.then(() => clearTimeout(timer));
    return exit;
  }

  diagnostics(): string {
    return this.#diagnostics;
  }

  /** The socket has closed: finds out how the agent ended, once its tree is gone. */
  async #conclude(close: CloseFacts): Promise<void> {
    if (this.#settled) return;
    // After an end of the agent's own the report is there; otherwise the bridge is ending the tree now, and asking waits for that.
    if (!saysExit(close.code)) await this.#ask('DELETE', '?how=ask', this.#limits.endMs);
    const report = await this.#ask<ConnectionDiagnostics>('GET', '/diagnostics', this.#limits.requestMs);
    if (report.kind !== 'answered') return this.#finish(exitFromClose(close, null));
    const { exit, limit, stderr } = report.body;
    this.#note(stderr);
    this.#finish(exitFromClose(close, { exit: asExit(exit), ...(typeof limit === 'string' ? { limit } : {}) }));
  }

  #finish(exit: AgentExit): void {
    if (this.#settled) return;
    this.#settled = true;
    if (exit.stderr !== undefined && !this.#diagnostics.includes(exit.stderr)) this.#note(exit.stderr);
    this.#exit.resolve(exit);
  }

  #ask<T>(method: 'GET' | 'DELETE', tail: string, ms: number): ReturnType<typeof ask<T>> {
    return ask<T>(this.#options, method, `/connections/${this.#id}${tail}`, ms);
  }

  /** An open socket has an agent behind it unless the bridge could not start it: it says so in the close frame that follows. */
  async #startProblem(): Promise<RehydrateError | null> {
    const answer = await this.#ask<ConnectionDiagnostics>('GET', '/diagnostics', this.#limits.requestMs);
    const exit = answer.kind === 'answered' ? asExit(answer.body.exit) : null;
    if (exit?.kind !== 'not_started') return null;
    return new RehydrateError('agent_start_failed', exit.message, { agent: this.#spec.agent, url: this.#options.url });
  }

  /** A browser is not told why an upgrade was refused; asking for the list of agents finds out. */
  async #whyRefused(): Promise<RehydrateError> {
    const { agent } = this.#spec;
    const { url } = this.#options;
    const answer = await ask<readonly BridgeAgent[]>(this.#options, 'GET', '/agents', this.#limits.requestMs);
    if (answer.kind !== 'answered') return bridgeProblem(url, answer);
    const agents = answer.body.map(({ name }) => name);
    if (!agents.includes(agent))
      return new RehydrateError('agent_not_found', `The bridge at ${url} has no agent named '${agent}'. It has: ${agents.join(', ')}.`, {
        agent,
        agents,
      });
    return bridgeProblem(url, { kind: 'refused', status: 503, reason: 'too many connections, or too many in one second' });
  }

  #note(text: string): void {
    if (text === '') return;
    this.#diagnostics = [this.#diagnostics, text].filter(Boolean).join('\n').slice(-this.#limits.stderrCharacters);
  }
}
