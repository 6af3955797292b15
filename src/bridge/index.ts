/**
 * The bridge: lets a browser reach ACP agents on this machine over WebSockets. One socket carries one agent process. When the socket closes, the
 * process tree is ended; when the process ends, the socket is closed with a code that says how.
 * Whoever has the token acts with the agents' rights. The security page of the documentation lists the threats.
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
