/** How a bridged agent ended, according to the socket's close frame and the bridge's report. */
import { fieldsOf, stringOf } from '../../engine/objects.ts';
import { asExit, type AgentExit } from '../../engine/ports.ts';

export interface CloseFacts {
  /** The close code; 1006 if the socket was lost without a close frame. */
  readonly code: number;
  readonly reason: string;
}

interface Reason {
  readonly code: number | null;
  readonly signal: string | null;
  readonly limit?: string;
}

/** The close code by which a bridge says how the agent's process ended. */
export const EXIT_CODES: Readonly<Record<AgentExit['kind'], number>> = {
  ended: 1000,
  failed: 4001,
  signalled: 4002,
  killed: 4002,
  not_started: 4003,
  disconnected: 4005,
  quit: 4006,
};

/** The close code with which our side ends a connection for a limit of its own. */
export const CLIENT_LIMIT = 4000;

/** What each of these codes says by itself. (4005 says nothing about the agent.) */
const SAID: Readonly<Record<number, (reason: Reason) => AgentExit>> = {
  [EXIT_CODES.ended]: () => ({ kind: 'ended', code: 0, signal: null }),
  [EXIT_CODES.failed]: (reason) => ({ kind: 'failed', code: reason.code ?? -1, signal: null }),
  [EXIT_CODES.signalled]: (reason) => ({ kind: 'signalled', code: null, signal: reason.signal ?? 'an unknown signal' }),
  [EXIT_CODES.not_started]: () => ({ kind: 'not_started', code: null, signal: null, message: 'the bridge could not start it' }),
  [EXIT_CODES.quit]: () => ({ kind: 'quit', code: 0, signal: null }),
};

/** Whether a close code says how the agent's process ended. */
export function saysExit(code: number): boolean {
  return SAID[code] !== undefined;
}

/** What `GET /connections/ID/diagnostics` answers. */
export interface ConnectionDiagnostics {
  readonly connection: string;
  readonly agent: string;
  /** Null while the agent runs. */
  readonly exit: AgentExit | null;
  /** The bridge's limit for which the connection was ended. A client that reads nothing does not get it in a close frame. */
  readonly limit?: string;
  /** The last of what the agent wrote to stderr, and to stdout if it was not JSON-RPC. */
  readonly stderr: string;
}

/**
 * The exit as `reported`, which has more (above all stderr), or as told by the close frame. If the socket closed for another reason than the
 * agent's own end, the exit is `disconnected`, however the bridge then ended the tree (I8).
 */
export function exitFromClose(close: CloseFacts, reported: Pick<ConnectionDiagnostics, 'exit' | 'limit'> | null): AgentExit {
  const reason = parseReason(close.reason);
  const said = SAID[close.code];
  if (said !== undefined) return reported?.exit ?? said(reason);
  const message = describeClose(close.code, reason.limit ?? reported?.limit);
  return { kind: 'disconnected', code: null, signal: null, message, stderr: reported?.exit?.stderr };
}

function parseReason(text: string): Reason {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    // Other servers, and broken sockets, give no reason, or one that is not JSON.
  }
  const { code, signal, limit } = fieldsOf(said);
  return {
    code: Number.isSafeInteger(code) ? (code as number) : null,
    signal: typeof signal === 'string' ? signal : null,
    ...(typeof limit === 'string' ? { limit } : {}),
  };
}

function describeClose(code: number, limit?: string): string {
  const named = limit === undefined ? '' : ` ${limit}`;
  const reasons: Readonly<Record<number, string>> = {
    1002: 'the bridge did not accept a frame as JSON-RPC text (1002)',
    1006: named === '' ? 'the connection was lost' : `the connection was cut off: the bridge's limit${named} was reached`,
    1009: `a message was larger than the bridge's limit${named} (1009)`,
    [CLIENT_LIMIT]: `this side's limit${named} was reached (${CLIENT_LIMIT})`,
    4004: `the bridge's limit${named} was reached (4004)`,
    4005: 'the bridge is shutting down (4005)',
  };
  return reasons[code] ?? `the connection was closed with code ${code}`;
}

/** Reads a bridge's answer to `GET /connections/ID/diagnostics`. It is checked, because it crossed a network and is stored and shown. */
export function readDiagnostics(body: unknown): Pick<ConnectionDiagnostics, 'exit' | 'limit' | 'stderr'> {
  const { exit, limit, stderr } = fieldsOf(body);
  return { exit: asExit(exit), ...(typeof limit === 'string' ? { limit } : {}), stderr: stringOf(stderr) };
}
