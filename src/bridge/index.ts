/**
 * The bridge: ACP agents on this machine, reached from a browser over WebSockets. One socket carries one agent process. When the socket closes, the
 * tree is ended; when the process ends, the socket is closed with a code that says how.
 * Everybody who holds the token acts with the agents' rights; the security page of the documentation lists the threats.
 */
export { formatBridgeBanner, startBridge, type Bridge } from './bridge.ts';
export { streamDoor, type StreamDoorOptions } from './stream-door.ts';
export type { BridgeEvent, BridgeOptions, Door, DoorOptions } from './options.ts';
export {
  type AccessPolicy,
  authorizeHttp,
  authorizeUpgrade,
  type HttpDecision,
  type Refusal,
  type RefusalReason,
  type RequestHead,
  SUBPROTOCOL,
  type UpgradeDecision,
  type UpgradePolicy,
} from './policy.ts';
export { closeFrame, type CloseCause, type CloseFrame } from './close.ts';
export type { ConnectionDiagnostics } from '../adapters/websocket/exit.ts';
export { BRIDGE_LIMITS, type BridgeLimits } from './limits.ts';
