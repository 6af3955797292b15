/** Every bound the engine keeps (I10). Times are milliseconds, sizes bytes unless the name says otherwise. */
export interface Limits {
  /** How long the launcher may take to start an agent, and then the agent to answer `initialize`. */
  readonly initializeMs: number;
  /**
   * How long an agent may be silent while it works on `session/new`, `session/load` or `session/resume`. In all it may take ten times as
   * long.
   */
  readonly sessionMs: number;
  /** At resume: how long the agent may take to set one mode or configuration option again. */
  readonly settingMs: number;
  /** How long one page of `session/list` may take. */
  readonly listMs: number;
  /** How many pages of `session/list` are read. If there are more, the list does not prove that a session is absent. */
  readonly listPages: number;
  /** How long an agent may take to end its turn after `session/cancel`. */
  readonly cancelGraceMs: number;
  /** After a turn: how long the agent must be quiet before the host ends it. */
  readonly quietMs: number;
  /** The longest wait for that quiet. */
  readonly quietMaxMs: number;
  /** Late replay: how long the agent must be quiet before the replay counts as over. */
  readonly replayQuietMs: number;
  /** Late replay: the longest wait for it. */
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
  /** How many committed events may wait for a slow subscriber. If there are more, it continues from the database. */
  readonly subscriberEvents: number;
  /** The same in bytes. */
  readonly subscriberBytes: number;
  /**
   * How long a function that the host was given may take: `secrets`, `directoryExists`, `sameDirectory`, `ownerAlive`, `preamble.files`,
   * and `notify` and `release` of client services.
   */
  readonly callbackMs: number;
  /** How often a subscriber looks for events that another host of the database wrote. 0: never. */
  readonly followMs: number;
  /** How long a session's writes wait while others keep the database locked. Meanwhile the agent's output is not read. */
  readonly busyMs: number;
  /** How long a lease is valid after its last renewal. */
  readonly leaseMs: number;
  /** If the end of a turn could not be written: how long until the next try. There is no last one. */
  readonly settleRetryMs: number;
  /** How many sessions of one host may be live at once. */
  readonly liveSessions: number;
  /** A live session that was not used for this long is put to sleep. 0: never. */
  readonly idleMs: number;
  /** How many requests of an agent may be unanswered at once. More are refused. */
  readonly agentRequests: number;
  /** How many answers an agent may leave unread. With more, its own output is no longer read. */
  readonly unreadAnswers: number;
  /**
   * How many bytes an agent may leave unread. With more of answers, its own output is no longer read; of notifications, it gets no more.
   */
  readonly unreadBytes: number;
  /** How many permission requests of one session may be open at once. */
  readonly openPermissions: number;
  /** One file of `workspaceFiles`, encoded as UTF-8. */
  readonly workspaceFileBytes: number;
  /** How many files `workspaceFiles` keeps for one session. */
  readonly workspaceFileCount: number;
  /** How much of the end of stderr is kept for error messages. */
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

/** Bounds that are part of how the engine works, and not options. */
export interface FixedLimits {
  /** How much of a replay is kept in memory. Older messages are still matched, but not imported. */
  readonly replayChars: number;
  /** Shorter secret values are not replaced, because words like `true` occur everywhere. */
  readonly secretChars: number;
  /** A title that the program sets, as JSON in UTF-8. */
  readonly titleBytes: number;
  /** Deeper levels of nesting in an agent's message are replaced by a text that says so. */
  readonly nestedLevels: number;
  /** How much of an agent's error is kept: of its message, and of its data as JSON. */
  readonly errorChars: number;
  /** How long an agent may take to exit after it closed its output. The output of an agent that exited is read for as long. */
  readonly exitGraceMs: number;
  /** How long a launcher may take to end an agent, or to abandon a start. */
  readonly launcherMs: number;
  /** In ACP v2: how long an agent may take to answer a prompt after it said that the turn has stopped. */
  readonly promptAnswerMs: number;
  /** How much of the end of stderr is in the `agent_exited` event. */
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

/** Replaces what is nested too deep. */
export const NESTED_DEEPER = `[nested deeper than ${FIXED_LIMITS.nestedLevels} levels]`;
