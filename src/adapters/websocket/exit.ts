/** How a bridged agent ended, from what the socket and the bridge said. */
import type { AgentExit } from '../../engine/ports.ts';

export interface CloseFacts {
  /** The close code; 1006 when the socket went without a word. */
  readonly code: number;
  readonly reason: string;
}

interface Reason {
  readonly code: number | null;
  readonly signal: string | null;
  readonly limit?: string;
}

/** True for the close codes by which the bridge says that the agent's process ended, and how. */
export function saysExit(code: number): boolean {
  return code === 1000 || code === 4001 || code === 4002 || code === 4003 || code === 4006;
}

/**
 * The exit. `reported` is what the bridge's endpoints gave and has more to tell, stderr above all;
 * without it the close frame is all there is. A socket that went for another reason than the agent's
 * own end reads as `disconnected`, however the bridge then ended the tree (I8).
 */
export function exitFromClose(close: CloseFacts, reported: AgentExit | null): AgentExit {
  const reason = parseReason(close.reason);
  if (!saysExit(close.code)) {
    const stderr = reported?.stderr === undefined ? {} : { stderr: reported.stderr };
    return { kind: 'disconnected', code: null, signal: null, message: closeWords(close.code, reason), ...stderr };
  }
  if (reported !== null) return reported;
  switch (close.code) {
    case 1000:
      return { kind: 'ended', code: 0, signal: null };
    case 4001:
      return { kind: 'failed', code: reason?.code ?? -1, signal: null };
    case 4002:
      return { kind: 'signalled', code: null, signal: reason?.signal ?? 'an unknown signal' };
    case 4003:
      return { kind: 'not_started', code: null, signal: null, message: 'the bridge could not start it' };
    default:
      return { kind: 'quit', code: 0, signal: null };
  }
}

function parseReason(text: string): Reason | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Reason) : null;
  } catch (error) {
    // Other servers, and sockets that broke, give no reason or one in words.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function closeWords(code: number, reason: Reason | null): string {
  const limit = reason?.limit === undefined ? '' : ` ${reason.limit}`;
  switch (code) {
    case 1002:
      return 'the bridge did not accept a frame as JSON-RPC text (1002)';
    case 1006:
      return 'the connection was lost';
    case 1009:
      return `a message was larger than the bridge's limit${limit} (1009)`;
    case 4004:
      return `the bridge's limit${limit} was reached (4004)`;
    case 4005:
      return 'the bridge is shutting down (4005)';
    default:
      return `the connection was closed with code ${code}`;
  }
}

/** Whether what an endpoint gave is an exit at all: it crossed a network. */
export function asExit(value: unknown): AgentExit | null {
  if (typeof value !== 'object' || value === null) return null;
  const kind = (value as { kind?: unknown }).kind;
  return typeof kind === 'string' && ['ended', 'quit', 'failed', 'signalled', 'killed', 'not_started', 'disconnected'].includes(kind)
    ? (value as AgentExit)
    : null;
}
