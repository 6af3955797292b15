/** The bounds of our agent side (I10). */
export interface AcpServerLimits {
  /** How long `initialize` waits for what the agent says of itself, where the record has sessions of it that can be opened without. */
  readonly describeMs: number;
  /** How many requests of one client may be under way at once. */
  readonly requests: number;
  /** How many characters of messages may wait for one client to read them before the sender of more has to wait. */
  readonly queuedChars: number;
  /** How long an agent waits to send an extension's notification to a client that does not read, before the client is left out. */
  readonly unreadMs: number;
  /** How many sessions one client may be attached to at once. */
  readonly attached: number;
  /** How many tool calls, and how many messages, of a session a client is known to have been told, so that one under an id of these is told as another. */
  readonly toldIds: number;
  /** How far back, in events, such ids are looked up for a client that is not told the session from its start. */
  readonly earlierEvents: number;
  /** How many events of a log are read at a time while a session is replayed. */
  readonly replayPage: number;
  /** How many sessions one page of `session/list` has. */
  readonly listPage: number;
}

export const ACP_SERVER_LIMITS: AcpServerLimits = Object.freeze({
  describeMs: 5_000,
  requests: 256,
  queuedChars: 256 * 1024,
  unreadMs: 10_000,
  attached: 256,
  toldIds: 1_000,
  earlierEvents: 2_048,
  replayPage: 512,
  listPage: 50,
});
