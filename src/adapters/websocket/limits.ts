/** Every bound of the WebSocket adapter (I10). Times are milliseconds, sizes bytes. */
export interface WebSocketLimits {
  /** One JSON-RPC message, encoded, in either direction. */
  readonly messageBytes: number;
  /**
   * Characters received that nobody has read yet. A browser cannot stop a WebSocket from receiving, so
   * more than this ends the connection with an error that names the limit.
   */
  readonly receivedCharacters: number;
  /** How many bytes may be handed to the socket and not be sent yet. With more, `write` waits. */
  readonly bufferedBytes: number;
  /** How long the socket may take to open. */
  readonly openMs: number;
  /** How long one request to the bridge may take, except `end`. */
  readonly requestMs: number;
  /** How long the bridge may take to end a tree. */
  readonly endMs: number;
  /** How much of the end of stderr, and of lines that were not JSON-RPC, is kept for `diagnostics()`. */
  readonly stderrCharacters: number;
}

export const WEBSOCKET_LIMITS: WebSocketLimits = Object.freeze({
  messageBytes: 32 * 1024 * 1024,
  receivedCharacters: 64 * 1024 * 1024,
  bufferedBytes: 1024 * 1024,
  openMs: 20_000,
  requestMs: 10_000,
  endMs: 20_000,
  stderrCharacters: 64 * 1024,
});
