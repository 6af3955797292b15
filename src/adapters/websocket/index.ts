/**
 * Agents behind a bridge, over a WebSocket: for browsers, and for programs that reach another machine's agents. No Node modules.
 */
export { websocketLauncher, type WebSocketLauncherOptions } from './launcher.ts';
export type { WebSocketLike } from './message-stream.ts';
export { listBridgeAgents, type BridgeAddress, type BridgeAgent } from './bridge-client.ts';
export { WEBSOCKET_LIMITS, type WebSocketLimits } from './limits.ts';
