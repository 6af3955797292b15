/**
 * The connection to one agent: its process, its JSON-RPC peer, and waiting for answers. Nothing here throws because of what an agent does.
 */
import { describeExit, type AgentExit, type AgentLauncher, type AgentProcess, type AgentSpec, type DroppedLines } from '../ports.ts';
import { RehydrateError, type ErrorCode } from '../errors.ts';
import { DEFAULT_LIMITS, FIXED_LIMITS, type Limits } from '../limits.ts';
import type { Fields } from '../objects.ts';
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

export interface Patience {
  readonly ms: number;
  /** `call` (default): from the call on. `silence`: since the agent's last message, and `MOST_SILENCES` times `ms` in all. */
  readonly of?: 'call' | 'silence';
}

export type ConnectionHandlers = Omit<PeerHandlers, 'onNoise'>;

export interface Connection {
  call(method: string, params: unknown, patience: Patience): Promise<Outcome>;
  /** Sends a request without a time limit. */
  start: Peer['request'];
  notify(method: string, params: unknown): void;
  /** When the agent last sent a message, by `performance.now`. */
  readonly heardAt: number;
  /** Waits, and counts that as the agent's time. */
  wait(ms: number): Promise<void>;
  /** Settles when the process tree is gone and everything the agent said has been handled. */
  readonly gone: Promise<AgentExit>;
  /** How the agent ended, to follow its name in a sentence. */
  readonly exitDescription: string;
  readonly exit: AgentExit | null;
  /** Whether the stream or the process has ended, so that nothing more can be sent. `exit` and `gone` follow. */
  readonly ended: boolean;
  /** Why the host ended the agent, if something was wrong with its output. */
  readonly fault: Error | null;
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  /** Adds to the diagnostics what the agent did. `what` follows “the agent”. */
  note(what: string): void;
  /** stderr and notes, without what looks like a token. */
  diagnostics(): string;
  newlyDropped(): DroppedLines | null;
  readonly agentMs: number;
}

const NOTES_KEPT = 20;
/** Bounds the wait for an agent that goes on talking and never answers. */
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
  const notes: string[] = [];
  const note = (what: string): void => {
    const line = `[the agent ${beginning(what, QUOTE_CHARS)}]`;
    if (notes.at(-1) === line) return;
    notes.push(line);
    if (notes.length > NOTES_KEPT) notes.shift();
  };
  const peer: Peer = createPeer(process.stream, { ...handlers, onNoise: note }, limits);

  let ended = false;
  const gone = (async () => {
    await Promise.race([peer.closed, process.exited]);
    ended = true;
    const exited = await within(process.exited, FIXED_LIMITS.exitGraceMs);
    // An agent that has closed its output and does not exit is killed, not asked: it can say nothing more.
    if (exited === undefined) fault = (await within(peer.closed, 0)) ?? new Error('it closed its output and stayed');
    exit = withoutTokens(exited ?? withReason(await process.end('kill'), fault as Error));
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
          const now = performance.now();
          const deadline = began + MOST_SILENCES * ms;
          const left = of === 'silence' ? Math.min(peer.heardAt + ms, deadline) - now : 0;
          if (left > 0) timer = setTimeout(onTimeout, left);
          else finish({ kind: 'hung', method, afterMs: of === 'silence' && now >= deadline ? MOST_SILENCES * ms : ms });
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
      return exit === null ? 'is gone' : describeExit(exit);
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
    diagnostics: () => redactTokens([process.diagnostics(), ...notes].filter(Boolean).join('\n')),
    get agentMs() {
      return agentMs;
    },
  };
}

/** Says in the exit why we killed the agent, unless the launcher has given a reason. */
function withReason(exit: AgentExit, { message }: Error): AgentExit {
  return exit.kind === 'killed' ? { ...exit, why: exit.why ?? asClause(message) } : exit;
}

/** A sentence without its full stop and its capital, unless that belongs to an abbreviation. */
const asClause = (sentence: string): string => sentence.replace(/\.$/, '').replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase());

/** Its texts may hold tokens that nobody told us about. */
function withoutTokens(exit: AgentExit): AgentExit {
  return {
    ...exit,
    ...('message' in exit ? { message: redactTokens(exit.message) } : {}),
    ...('why' in exit && exit.why !== undefined ? { why: redactTokens(exit.why) } : {}),
    ...(exit.stderr === undefined ? {} : { stderr: redactTokens(exit.stderr) }),
  };
}

/** The last lines, to end an error message; empty if there are none. */
export function quoteDiagnostics(diagnostics: string): string {
  const last = diagnostics.trimEnd().split('\n').slice(-10);
  const lines = last.map(quoted).join('\n').trim();
  return lines ? ` It last wrote:\n${lines}` : '';
}

export function describeError({ code, message, data }: RpcError): string {
  const details = typeof data === 'string' ? data : (data as { details?: unknown } | null | undefined)?.details;
  const reason = typeof details === 'string' && details !== message ? quoted(details.trim()) : '';
  return `error ${code}: ${quoted(message) || '(no message)'}${reason === '' ? '' : ` (${reason})`}`;
}

const quoted = (text: string): string => beginning(text, QUOTE_CHARS);

/** The error about the limit for which the agent was ended; null if it was not ended for one. */
export function limitFault(connection: Connection): RehydrateError | null {
  return RehydrateError.is(connection.fault) ? connection.fault : null;
}

/** Whether the agent ended by itself, so that running it by hand may show why. */
export const diedUnasked = (exit: AgentExit | null): boolean => exit !== null && !['ended', 'killed', 'disconnected'].includes(exit.kind);

/** The error for a call that was not answered. If the agent ended, waits until it is known how. */
export async function failureError(failure: Failure, agent: string, connection: Connection, about: Fields = {}): Promise<RehydrateError> {
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
