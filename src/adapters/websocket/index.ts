/**
 * Agents behind a bridge, over a WebSocket: for browsers, and for programs that reach another
 * machine's agents. No Node modules.
 *
 * Each connection is named, so that ends can be asked for over HTTP and are told as truthfully as
 * over stdio. When the socket drops, `exited` says `disconnected`, once the bridge confirms that the
 * tree is gone (or cannot be reached).
 */
export { websocketLauncher, type WebSocketLauncherOptions } from './launcher.ts';
export type { WebSocketLike } from './message-stream.ts';
export { listBridgeAgents, type BridgeAddress, type BridgeAgent } from './bridge-client.ts';
export { WEBSOCKET_LIMITS, type WebSocketLimits } from './limits.ts';
