/** The bounds of the ACP agent side (I10). */
export interface AcpServerLimits {
  /** How long `initialize` waits for the agent, if the record has sessions of it that can be opened without it. */
  readonly describeMs: number;
  /** How many requests of one client may be unanswered at once. */
  readonly requests: number;
  /** How many characters of messages may be unread by one client. Whoever sends more has to wait. */
  readonly queuedChars: number;
  /** How long an agent's extension notification waits for a client that does not read. Then the client does not get it. */
  readonly unreadMs: number;
  /** How many sessions one client may have open at once. */
  readonly attached: number;
  /** How many ids of tool calls, and of messages, of a session are remembered for a client, so that an id that the agent uses again is recognised. */
  readonly toldIds: number;
  /** How many events back such ids are looked up for a client that does not get the session from its start. */
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
