/** One live agent: its process, its JSON-RPC peer, and the waiting for answers. Nothing here throws because of what an agent does. */
import { describeExit, type AgentExit, type AgentLauncher, type AgentProcess, type AgentSpec, type DroppedLines } from '../ports.ts';
import { RehydrateError, type ErrorCode } from '../errors.ts';
import { DEFAULT_LIMITS, FIXED_LIMITS, type Limits } from '../limits.ts';
import { redactTokens } from '../transcript/token-shapes.ts';
import { beginning, QUOTE_CHARS } from './bounded.ts';
import { delay, within } from '../waiting.ts';
import { launch } from './launched.ts';
import { createPeer, type Peer, type PeerHandlers, type PeerLimits, type RpcError } from './json-rpc.ts';

export type Failure =
  | { readonly kind: 'refused'; readonly method: string; readonly error: RpcError }
  | { readonly kind: 'hung'; readonly method: string; readonly afterMs: number }
  | { readonly kind: 'ended'; readonly method: string };

export type Outcome<T = unknown> = { readonly kind: 'answered'; readonly value: T } | Failure;

/** How long a call may take: in all, or since the last message that the agent sent, and then `MOST_SILENCES` times that in all. */
export interface Patience {
  readonly ms: number;
  readonly of?: 'call' | 'silence';
}

export type ConnectionHandlers = Omit<PeerHandlers, 'onNoise'>;

export interface Connection {
  call(method: string, params: unknown, patience: Patience): Promise<Outcome>;
  /** `settle` runs in the order of messages, with null when the agent ended first. */
  start: Peer['request'];
  notify(method: string, params: unknown): void;
  /** When the agent last sent a message, by `performance.now`. */
  readonly heardAt: number;
  /** Waits, and counts it as the agent's time. */
  wait(ms: number): Promise<void>;
  /** Settles when the process tree is gone and everything it said has been handled. */
  readonly gone: Promise<AgentExit>;
  /** How it ended, as part of a sentence. */
  readonly exitDescription: string;
  readonly exit: AgentExit | null;
  /** Nothing that is sent from then on arrives. `exit` and `gone` follow. */
  readonly ended: boolean;
  /** What was wrong with its output, where the host ended it for that. */
  readonly fault: Error | null;
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  /** Kept for the diagnostics: what the agent did. */
  note(what: string): void;
  /** stderr and noise, without what looks like a token. */
  diagnostics(): string;
  /** What was dropped of its output since the last call. */
  newlyDropped(): DroppedLines | null;
  /** Milliseconds spent waiting for this agent so far. */
  readonly agentMs: number;
}

const NOISE_KEPT = 20;
/** For an agent that talks on and never answers. */
const MOST_SILENCES = 10;

export async function openConnection(
  launcher: AgentLauncher,
  spec: AgentSpec,
  signal: AbortSignal,
  handlers: ConnectionHandlers,
  limits?: PeerLimits & Pick<Limits, 'initializeMs'>,
): Promise<Connection> {
  const started = performance.now();
  const process = await launch(launcher, spec, signal, (limits ?? DEFAULT_LIMITS).initializeMs);
  return connect(process, handlers, performance.now() - started, limits);
}

function connect(process: AgentProcess, handlers: ConnectionHandlers, launchMs: number, limits: PeerLimits | undefined): Connection {
  let agentMs = launchMs;
  let exit: AgentExit | null = null;
  let fault: Error | null = null;
  let droppedBefore = 0;
  const noise: string[] = [];
  const note = (what: string): void => {
    const line = `[the agent ${beginning(what, QUOTE_CHARS)}]`;
    if (noise.at(-1) === line) return;
    noise.push(line);
    if (noise.length > NOISE_KEPT) noise.shift();
  };
  const peer: Peer = createPeer(process.stream, { ...handlers, onNoise: note }, limits);

  let ended = false;
  const gone = (async () => {
    await Promise.race([peer.closed, process.exited]);
    ended = true;
    const exited = await within(process.exited, FIXED_LIMITS.exitGraceMs);
    // It closed its output and stays, and can say nothing more: it is killed, not asked.
    if (exited === undefined) fault = (await within(peer.closed, 0)) ?? new Error('it closed its output and stayed');
    exit = withoutTokens(exited ?? because(fault as Error, await process.end('kill')));
    if ((await within(peer.closed, FIXED_LIMITS.exitGraceMs)) === undefined) peer.close();
    return exit;
  })();

  return {
    call(method, params, { ms, of = 'call' }) {
      const began = performance.now();
      return new Promise<Outcome>((resolve) => {
        const finish = (outcome: Outcome) => {
          clearTimeout(timer);
          agentMs += performance.now() - began;
          resolve(outcome);
        };
        const onTimeout = () => {
          const [now, last] = [performance.now(), began + MOST_SILENCES * ms];
          const left = of === 'silence' ? Math.min(peer.heardAt + ms, last) - now : 0;
          if (left > 0) timer = setTimeout(onTimeout, left);
          else finish({ kind: 'hung', method, afterMs: of === 'silence' && now >= last ? MOST_SILENCES * ms : ms });
        };
        let timer = setTimeout(onTimeout, ms);
        peer.request(method, params, (response) => {
          if (response === null) finish({ kind: 'ended', method });
          else if ('error' in response) finish({ kind: 'refused', method, error: response.error });
          else finish({ kind: 'answered', value: response.result });
        });
      });
    },
    async wait(ms) {
      await delay(ms);
      agentMs += ms;
    },
    start: peer.request,
    notify: peer.notify,
    get heardAt() {
      return peer.heardAt;
    },
    gone,
    get exitDescription() {
      if (exit === null) return 'is gone';
      return describeExit(exit);
    },
    get exit() {
      return exit;
    },
    get ended() {
      return ended;
    },
    get fault() {
      return fault;
    },
    async end(how) {
      await process.end(how);
      return gone;
    },
    newlyDropped() {
      const dropped = process.dropped?.() ?? null;
      const lines = (dropped?.lines ?? 0) - droppedBefore;
      droppedBefore += lines;
      return dropped && lines > 0 ? { lines, last: redactTokens(dropped.last) } : null;
    },
    note,
    diagnostics: () => redactTokens([process.diagnostics(), ...noise].filter(Boolean).join('\n')),
    get agentMs() {
      return agentMs;
    },
  };
}

/** The launcher's own reason comes first. */
function because({ message }: Error, exit: AgentExit): AgentExit {
  return exit.kind === 'killed' ? { ...exit, why: exit.why ?? clause(message) } : exit;
}

const clause = (sentence: string): string => sentence.replace(/\.$/, '').replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase());

/** It may hold keys that nobody told us about. */
function withoutTokens(exit: AgentExit): AgentExit {
  return {
    ...exit,
    ...('message' in exit ? { message: redactTokens(exit.message) } : {}),
    ...('why' in exit && exit.why !== undefined ? { why: redactTokens(exit.why) } : {}),
    ...(exit.stderr === undefined ? {} : { stderr: redactTokens(exit.stderr) }),
  };
}

/** The last lines as a clause for an error message, or nothing. */
export function quoteDiagnostics(diagnostics: string): string {
  const last = diagnostics.trimEnd().split('\n').slice(-10);
  const lines = last.map(quoted).join('\n').trim();
  return lines ? ` It last wrote:\n${lines}` : '';
}

/** As part of a sentence. */
export function describeError({ code, message, data }: RpcError): string {
  const details = typeof data === 'string' ? data : (data as { details?: unknown } | null | undefined)?.details;
  const reason = typeof details === 'string' && details !== message ? quoted(details.trim()) : '';
  return `error ${code}: ${quoted(message) || '(no message)'}${reason === '' ? '' : ` (${reason})`}`;
}

const quoted = (text: string): string => beginning(text, QUOTE_CHARS);

/** The limit for which the agent was ended, if it was. */
export function limitFault(connection: Connection): RehydrateError | null {
  return RehydrateError.is(connection.fault) ? connection.fault : null;
}

/** Then running it by hand shows why; an end that we caused, and a connection that was lost, say nothing about the agent. */
export const diedUnasked = (exit: AgentExit | null): boolean => exit !== null && !['ended', 'killed', 'disconnected'].includes(exit.kind);

/** If the agent ended, waits until it is known how. */
export async function failureError(
  failure: Failure,
  agent: string,
  connection: Connection,
  about: Readonly<Record<string, unknown>> = {},
): Promise<RehydrateError> {
  const { method } = failure;
  const error = (code: ErrorCode, message: string, data: object): RehydrateError =>
    new RehydrateError(code, `Agent "${agent}" ${message}${quoteDiagnostics(connection.diagnostics())}`, {
      agent,
      method,
      ...about,
      ...data,
    });
  switch (failure.kind) {
    case 'hung':
      return error(
        'agent_timeout',
        `did not answer ${method} within ${failure.afterMs / 1000} s and was ended. Check that it speaks ACP on its standard input and output, or raise the limit.`,
        { afterMs: failure.afterMs },
      );
    case 'ended': {
      await connection.gone;
      const fault = limitFault(connection);
      if (fault) return error(fault.code, `was ended before it answered ${method}. ${fault.message}`, fault.data);
      const { exit } = connection;
      return error(
        'agent_exited',
        `${connection.exitDescription} before it answered ${method}. ${diedUnasked(exit) ? 'Run it by hand to see why.' : 'Try again.'}`,
        { exit },
      );
    }
    case 'refused':
      return error(
        'agent_protocol_error',
        `answered ${method} with ${describeError(failure.error)}. Run it by hand to see why, or try another version of it.`,
        { error: failure.error },
      );
  }
}
