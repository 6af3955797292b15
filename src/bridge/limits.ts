/**
 * Every bound of the bridge (I10). Times are milliseconds, sizes bytes. A refusal or close reason names its limit.
 */
export interface BridgeLimits {
  /** One JSON-RPC message in either direction. A larger frame is closed with 1009, a larger line with 4004. */
  readonly messageBytes: number;
  /** Unsent bytes in one direction of a connection. With more, the other side is no longer read. */
  readonly bufferedBytes: number;
  /** Connections at once, each with one agent's process tree. A tree that is still ending counts. */
  readonly connections: number;
  /** Sockets at once, including those in the middle of a request. More are closed unread. */
  readonly sockets: number;
  /** Upgrades with the right token in any one second. */
  readonly upgradesPerSecond: number;
  /** The request line and headers. */
  readonly headerBytes: number;
  /** How long a client may take to send a request. */
  readonly handshakeMs: number;
  /** How long a client may read nothing of what was sent to it. */
  readonly stalledMs: number;
  /** How often a client is pinged. It is cut off after two of these intervals without an answer. */
  readonly pingMs: number;
  /** How long a client may take to answer a close frame. */
  readonly closeMs: number;
  /** How long after its end a connection's exit and diagnostics can be requested. */
  readonly rememberMs: number;
  /** How many ended connections are remembered; the oldest are forgotten first. */
  readonly remembered: number;
}

export const BRIDGE_LIMITS: BridgeLimits = Object.freeze({
  messageBytes: 32 * 1024 * 1024,
  bufferedBytes: 1024 * 1024,
  connections: 64,
  sockets: 512,
  upgradesPerSecond: 50,
  headerBytes: 16 * 1024,
  handshakeMs: 10_000,
  stalledMs: 10 * 60_000,
  pingMs: 30_000,
  closeMs: 5_000,
  rememberMs: 60_000,
  remembered: 1_000,
});
