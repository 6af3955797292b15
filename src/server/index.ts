/** `acp-rehydrate/server`: serves a host to ACP clients (an editor, a terminal, a page) as an agent whose sessions never die. */
export { serveAcp, type AcpServing, type ServeAcpOptions } from './serve-acp.ts';
export {
  SERVER_SUBPROTOCOLS,
  startServer,
  type OpenServerDoor,
  type Server,
  type ServerClient,
  type ServerDoor,
  type ServerOptions,
} from './start-server.ts';
export { ACP_SERVER_LIMITS, type AcpServerLimits } from './limits.ts';
