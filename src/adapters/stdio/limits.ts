/** Every bound of the stdio adapter (I10). Times are milliseconds, sizes bytes. */
export interface StdioLimits {
  /** One JSON-RPC message, encoded, in either direction. */
  readonly messageBytes: number;
  /** How much of the end of stderr, and of stdout that was not JSON-RPC, is kept for `diagnostics()`. */
  readonly stderrBytes: number;
  /** How much of the end of that is in an `AgentExit`. A host stores less. */
  readonly exitStderrBytes: number;
  /** How many parsed messages may be unread. With more, the agent's stdout is no longer read. */
  readonly queuedMessages: number;
  /** The same in bytes. */
  readonly queuedBytes: number;
  /** How long until an agent that closed its own stdin is ended, because nothing can be sent to it. */
  readonly deafMs: number;
  /** After `end('ask')` closed stdin: how long until the tree gets SIGTERM. */
  readonly askMs: number;
  /** After SIGTERM: how long until SIGKILL. */
  readonly termMs: number;
  /** For processes left behind by an agent that exited by itself: how long between SIGTERM and SIGKILL. */
  readonly orphanMs: number;
  /** After SIGKILL: how long to wait for a process that does not end. */
  readonly goneMs: number;
  /** How long output may stay open and silent after the tree is gone, because a process that cannot be found still has it. */
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
