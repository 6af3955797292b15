/** Every bound of the stdio adapter (I10). Times are milliseconds, sizes bytes. */
export interface StdioLimits {
  /** One JSON-RPC message, encoded, in either direction. */
  readonly messageBytes: number;
  /** The last of stderr, and of stdout that was not JSON-RPC, kept for `diagnostics()`. */
  readonly stderrBytes: number;
  /** The last part of that, which an `AgentExit` carries; a host stores less. */
  readonly exitStderrBytes: number;
  /** Parsed messages that may wait for their reader before the agent's stdout is no longer read. */
  readonly queuedMessages: number;
  /** The same in bytes. */
  readonly queuedBytes: number;
  /** How long until an agent that closed its own stdin is ended, since nothing can be said to it. */
  readonly deafMs: number;
  /** After `end('ask')` closed stdin: how long the tree may take before it gets SIGTERM. */
  readonly askMs: number;
  /** After SIGTERM: how long until SIGKILL. */
  readonly termMs: number;
  /** For what an agent that went by itself left behind: how long between SIGTERM and SIGKILL. */
  readonly orphanMs: number;
  /** After SIGKILL: how long to wait for a process that does not go. */
  readonly goneMs: number;
  /** How long output may stay open and silent after the tree is gone (a process out of our sight holds it). */
  readonly drainMs: number;
}

export const STDIO_LIMITS: StdioLimits = Object.freeze({
  messageBytes: 32 * 1024 * 1024,
  stderrBytes: 64 * 1024,
  exitStderrBytes: 16 * 1024,
  queuedMessages: 256,
  queuedBytes: 8 * 1024 * 1024,
  deafMs: 2_000,
  askMs: 1_000,
  termMs: 5_000,
  orphanMs: 1_000,
  goneMs: 10_000,
  drainMs: 500,
});
