/** Every bound the engine keeps (I10). Times are milliseconds, sizes bytes unless the name says otherwise. */
export interface Limits {
  /** How long an agent's launcher may take, and then its answer to `initialize`. */
  readonly initializeMs: number;
  /** How long an agent may be silent while it answers `session/new`, `session/load` or `session/resume`; it may take ten times that in all. */
  readonly sessionMs: number;
  /** How long setting one mode or configuration option again may take at resume. */
  readonly settingMs: number;
  /** How long one page of `session/list` may take. */
  readonly listMs: number;
  /** How many pages of `session/list` are read before absence counts as “cannot tell”. */
  readonly listPages: number;
  /** How long an agent may take to end its turn after `session/cancel`. */
  readonly cancelGraceMs: number;
  /** After a turn: how long the agent must have been quiet before a host that is done with it ends it. */
  readonly quietMs: number;
  /** How long that is waited for at most. */
  readonly quietMaxMs: number;
  /** Late replay: how long it must be quiet before the replay counts as over. */
  readonly replayQuietMs: number;
  /** Late replay: how long to wait for it at most. */
  readonly replayMaxMs: number;
  /** One JSON-RPC message, encoded as UTF-8. */
  readonly messageBytes: number;
  /** One prompt's content blocks, encoded as JSON in UTF-8. */
  readonly promptBytes: number;
  /** The transcript's default budget. */
  readonly transcriptBytes: number;
  /** The largest budget a caller may ask for. */
  readonly transcriptMaxBytes: number;
  /** The excerpt of one tool call's output in a transcript. */
  readonly toolExcerptBytes: number;
  /** How many events may wait for their commit before reading from the agent stops. */
  readonly queuedEvents: number;
  /** How many bytes of events may wait for their commit before reading from the agent stops. */
  readonly queuedBytes: number;
  /** How many committed events a slow subscriber may have waiting before it is fed from the database again. */
  readonly subscriberEvents: number;
  /** How many bytes of committed events a slow subscriber may have waiting before it is fed from the database again. */
  readonly subscriberBytes: number;
  /**
   * How long a function that the host was given may take: `secrets`, `directoryExists`, `sameDirectory`, `ownerAlive`, `preamble.files`,
   * and `notify` and `release` of client services.
   */
  readonly callbackMs: number;
  /** How often a subscriber looks for what another host of the database wrote. 0: never. */
  readonly followMs: number;
  /** How long a session's writes wait for a database that others keep locked, from its first refusal on; the agent is held back meanwhile. */
  readonly busyMs: number;
  /** How long a lease lives without being renewed. */
  readonly leaseMs: number;
  /** How long until an end that could not be written is tried again, as often as it takes. */
  readonly settleRetryMs: number;
  /** How many sessions one host keeps live at once. */
  readonly liveSessions: number;
  /** A live session that was not used for so long is put to sleep. 0: never. */
  readonly idleMs: number;
  /** How many requests of an agent may be under way at once; more are refused. */
  readonly agentRequests: number;
  /** How many answers an agent may leave unread before it is not read any further itself. */
  readonly unreadAnswers: number;
  /**
   * How many bytes of answers an agent may leave unread before it is not read any further itself, and of notifications before it is sent no
   * more of them.
   */
  readonly unreadBytes: number;
  /** How many permission requests of one session may be open at once. */
  readonly openPermissions: number;
  /** One file of `workspaceFiles`, encoded as UTF-8. */
  readonly workspaceFileBytes: number;
  /** How many files `workspaceFiles` keeps for one session. */
  readonly workspaceFileCount: number;
  /** The last of stderr that is kept for error messages. */
  readonly stderrBytes: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  initializeMs: 60_000,
  sessionMs: 60_000,
  settingMs: 10_000,
  listMs: 10_000,
  listPages: 100,
  cancelGraceMs: 10_000,
  quietMs: 100,
  quietMaxMs: 2_000,
  replayQuietMs: 250,
  replayMaxMs: 3_000,
  messageBytes: 32 * 1024 * 1024,
  promptBytes: 24 * 1024 * 1024,
  transcriptBytes: 64 * 1024,
  transcriptMaxBytes: 4 * 1024 * 1024,
  toolExcerptBytes: 600,
  queuedEvents: 1_000,
  queuedBytes: 8 * 1024 * 1024,
  subscriberEvents: 1_000,
  subscriberBytes: 8 * 1024 * 1024,
  callbackMs: 30_000,
  followMs: 1_000,
  busyMs: 60_000,
  leaseMs: 10_000,
  settleRetryMs: 1_000,
  liveSessions: 64,
  idleMs: 0,
  agentRequests: 256,
  unreadAnswers: 1_000,
  unreadBytes: 64 * 1024 * 1024,
  openPermissions: 64,
  workspaceFileBytes: 4 * 1024 * 1024,
  workspaceFileCount: 1_000,
  stderrBytes: 64 * 1024,
});

/** Bounds that are part of how the engine works, and no options. */
export interface FixedLimits {
  /** How much of a replay is kept as it came. Older messages are still matched, but not imported. */
  readonly replayChars: number;
  /** Shorter secret values are not replaced: words like `true` stand everywhere. */
  readonly secretChars: number;
  /** A session's title that is given for it, as JSON in UTF-8. */
  readonly titleBytes: number;
  /** What an agent nests deeper in a message is replaced by words that say so. */
  readonly nestedLevels: number;
  /** How much of an agent's error is taken: of its message, and of its data as JSON. */
  readonly errorChars: number;
  /** How long an agent that closed its output may take to exit, and one that exited is read. */
  readonly exitGraceMs: number;
  /** How long a launcher may take to end an agent, or to give up a start that nobody waits for. */
  readonly launcherMs: number;
  /** In ACP v2, how long an agent that says that a turn has stopped may still take to answer the prompt. */
  readonly promptAnswerMs: number;
  /** The last of stderr in the `agent_exited` event. */
  readonly storedStderrChars: number;
}

export const FIXED_LIMITS: FixedLimits = Object.freeze({
  replayChars: 64 * 1024 * 1024,
  secretChars: 6,
  titleBytes: 4 * 1024,
  nestedLevels: 1_000,
  errorChars: 64 * 1024,
  exitGraceMs: 2_000,
  launcherMs: 60_000,
  promptAnswerMs: 2_000,
  storedStderrChars: 4_096,
});

/** Stands for what was nested deeper. */
export const NESTED_DEEPER = `[nested deeper than ${FIXED_LIMITS.nestedLevels} levels]`;
