/** The close codes of a connection, and their JSON reasons. */
import { EXIT_CODES } from '../adapters/websocket/exit.ts';
import type { AgentExit } from '../engine/ports.ts';

/** Why the bridge ends a connection. */
export type CloseCause =
  | { readonly kind: 'exit'; readonly exit: AgentExit }
  | { readonly kind: 'not_json_rpc' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'limit'; readonly limit: string }
  | { readonly kind: 'shutdown' };

export interface CloseFrame {
  readonly code: number;
  /** JSON `{code, signal, connection}`, and `limit` where one was exceeded; 123 bytes at most. */
  readonly reason: string;
}

const CODES = { not_json_rpc: 1002, too_large: 1009, limit: 4004, shutdown: 4005 } as const;

/**
 * The close frame for a cause.
 *
 * @example
 * closeFrame({ kind: 'shutdown' }, 'x').code; // 4005
 */
export function closeFrame(cause: CloseCause, connection: string): CloseFrame {
  const exit = cause.kind === 'exit' ? cause.exit : null;
  // For a killed agent only the signal is given, because an exit code would look like the agent's own choice.
  const signal = exit?.signal ?? null;
  const reason: Record<string, unknown> = { code: signal === null ? (exit?.code ?? null) : null, signal, connection };
  const limit = limitOf(cause);
  if (limit !== undefined) reason['limit'] = limit;
  return { code: cause.kind === 'exit' ? EXIT_CODES[cause.exit.kind] : CODES[cause.kind], reason: JSON.stringify(reason) };
}

export function limitOf(cause: CloseCause): string | undefined {
  if (cause.kind === 'too_large') return 'messageBytes';
  return cause.kind === 'limit' ? cause.limit : undefined;
}
