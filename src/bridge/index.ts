/**
 * The bridge: ACP agents on this machine, reached from a browser over WebSockets. One socket carries
 * one agent process: socket gone, tree gone; process gone, socket closed with a code that says how.
 *
 * Threats and what stands against them:
 * - another web page: exact Origin and Host, a token in a subprotocol, an allow-list of agents;
 * - DNS rebinding: exact Host;
 * - a page that was let in and smuggles a command in `mcpServers` or `_meta`: refused unless allowed;
 * - other machines: loopback only, unless allowed;
 * - exhaustion: every buffer, count and wait is in `BRIDGE_LIMITS`.
 *
 * Not stopped: whoever holds the token acts with the agents' rights, and other accounts of this
 * machine that can read the token (process output, the page's memory) hold it too.
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
export { closeFrame, type CloseCause, type CloseFrame, type ConnectionDiagnostics } from './close.ts';
export { BRIDGE_LIMITS, type BridgeLimits } from './limits.ts';
