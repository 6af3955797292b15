/**
 * The door: an HTTP server that asks the policy about every request. It keeps nothing of a refused request; an accepted client gets a
 * WebSocket.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { withLimits } from '../engine/with-limits.ts';
import { BridgeSocket, type ClientOptions } from './client.ts';
import type { ConnectionDiagnostics } from '../adapters/websocket/exit.ts';
import { type Connected, Connections } from './connections.ts';
import { BRIDGE_LIMITS, type BridgeLimits } from './limits.ts';
import { checkDoor, type Door, type DoorOptions, hostNames } from './options.ts';
import {
  type AccessPolicy,
  authorizeHttp,
  authorizeUpgrade,
  header,
  type HttpDecision,
  refuse,
  type Refusal,
  type RequestHead,
  SUBPROTOCOL,
  type UpgradePolicy,
} from './policy.ts';

/** An upgrade that the policy has allowed, and that the client is waiting for. */
export interface UpgradeRequest {
  readonly id: string;
  readonly agent: string;
  readonly subprotocol: string;
  /** Completes the upgrade and passes the client to `connect`, whose connection ends with the door. False if the client has left. */
  upgrade(connect: (client: ClientOptions) => Connected | null): boolean;
  /** Keeps the report of an attempt that led to no connection. */
  remember(report: ConnectionDiagnostics): void;
}

/** Rejects with `invalid_argument`, or with the system's error when the port cannot be had. */
export async function openDoor(options: DoorOptions, serve: (asking: UpgradeRequest) => Promise<void>): Promise<Door> {
  const { host, port, origins } = checkDoor(options);
  const limits: BridgeLimits = withLimits(BRIDGE_LIMITS, options.limits);
  const { log = () => undefined, subprotocols = [SUBPROTOCOL] } = options;
  const connections = new Connections(limits);
  /** Every open socket. */
  const tcp = new Set<Socket>();
  /** Upgrades whose agent has not started yet. */
  const starting = new Set<Promise<void>>();
  let closing: Promise<void> | null = null;
  /** When each recent upgrade was let in. */
  let upgrades: number[] = [];

  const server = createServer({
    headersTimeout: limits.handshakeMs,
    requestTimeout: limits.handshakeMs,
    // How often the timeouts above are checked.
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, limits.handshakeMs / 4)),
    maxHeaderSize: limits.headerBytes,
  });
  server.maxConnections = limits.sockets;
  await new Promise<void>((resolve, reject) => {
    // This listener stays, so that a connection which the system has no room for does not end the program.
    server.on('error', reject);
    server.listen({ host, port }, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  const token = options.token ?? randomBytes(32).toString('base64url');
  const access: AccessPolicy = {
    hosts: hostNames(host, bound, options.hosts),
    origins,
    allowMissingOrigin: options.allowMissingOrigin === true,
    token,
  };
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // `judgeFrame` checks it, to close with the documented code.
    skipUTF8Validation: true,
    maxPayload: limits.messageBytes,
    closeTimeout: limits.closeMs,
    // The policy has checked that exactly one of ours is offered.
    handleProtocols: (offered: Set<string>) => subprotocols.find((one) => offered.has(one)) ?? false,
    WebSocket: BridgeSocket,
  } as ConstructorParameters<typeof WebSocketServer>[0]);

  const policy = (): UpgradePolicy => {
    const since = performance.now() - 1_000;
    upgrades = upgrades.filter((at) => at > since);
    return {
      ...access,
      agents: Object.keys(options.agents),
      subprotocols,
      upgradesPerSecond: limits.upgradesPerSecond,
      connections: limits.connections,
      load: {
        recentUpgrades: upgrades.length,
        connections: connections.size,
        closing: closing !== null,
        taken: (id) => connections.taken(id),
      },
    };
  };
  /** Answers a plain request, or an upgrade that is refused. */
  const reply = (asked: RequestHead, response: ServerResponse, status: number, body: unknown, more: object = {}): void => {
    const origin = header(asked, 'origin');
    // An allowed page may read the answer, even a refusal; the browser hides it from all other pages.
    const cors = origin !== null && origins.includes(origin) ? { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' } : {};
    const text = JSON.stringify(body) as string | undefined;
    const json = text === undefined ? {} : { ...JSON_HEADERS, 'Content-Length': Buffer.byteLength(text) };
    response.shouldKeepAlive = false;
    response.writeHead(status, { ...json, ...cors, ...more }).end(text);
  };
  const reject = (asked: RequestHead, response: ServerResponse, refusal: Refusal): void => {
    const { status, reason, message } = refusal;
    // SECURITY: the path and headers are not logged, because a token may have been put there by mistake.
    log({ event: 'refused', status, reason });
    reply(asked, response, status, { error: reason, message }, status === 426 ? UPGRADE_HEADERS : {});
  };

  const accept = (
    id: string,
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    connect: (client: ClientOptions) => Connected | null,
  ): boolean => {
    let accepted = false;
    sockets.handleUpgrade(request, socket, head, (websocket) => {
      accepted = true;
      websocket.on('error', () => undefined); // 'close' follows, and `BridgeSocket` says why
      const connection = connect({
        id,
        websocket: websocket as BridgeSocket,
        socket,
        limits,
        allowMcp: options.allowMcp === true,
        onNote: (note) => log({ event: 'note', connection: id, note }),
      });
      if (connection !== null) connections.add(connection);
    });
    return accepted;
  };

  server.on('connection', (socket) => {
    tcp.add(socket);
    socket.once('close', () => tcp.delete(socket));
  });
  server.on('clientError', (_error, socket) => {
    log({ event: 'refused', status: 400, reason: 'malformed_request' });
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    dismiss(socket as Socket);
  });
  server.on('upgrade', (request, duplex, head) => {
    const socket = duplex as Socket;
    socket.on('error', () => undefined); // 'close' follows
    const asked = headOf(request, head.length);
    const decision = authorizeUpgrade(asked, policy());
    if (!decision.ok) {
      const response = new ServerResponse(request);
      response.assignSocket(socket);
      response.once('finish', () => socket.end());
      reject(asked, response, decision);
      return dismiss(socket);
    }
    upgrades.push(performance.now());
    const id = decision.connection ?? randomBytes(16).toString('base64url');
    connections.reserve(id);
    const start = serve({
      id,
      agent: decision.agent,
      subprotocol: decision.subprotocol,
      upgrade: (connect) => accept(id, request, socket, head, connect),
      remember: (report) => connections.remember(report),
    }).finally(() => {
      connections.release(id);
      starting.delete(start);
    });
    starting.add(start);
  });

  const decide = (asked: RequestHead): HttpDecision => {
    if (asked.method === 'OPTIONS' || !asked.target.startsWith('/agents/')) return authorizeHttp(asked, access);
    const decision = authorizeUpgrade(asked, policy());
    // This is not Node's upgrade event, so it is no upgrade, whatever the headers say.
    return decision.ok ? refuse('upgrade_required', 'An agent is reached with a WebSocket.') : decision;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = headOf(request, 0);
    const found = (body: object | null | undefined): void =>
      body === undefined ? reject(asked, response, UNKNOWN_CONNECTION) : reply(asked, response, 200, body);
    const decision = decide(asked);
    if (!decision.ok) return reject(asked, response, decision);
    switch (decision.action) {
      case 'preflight':
        return reply(asked, response, 204, undefined, decision.headers);
      case 'agents':
        return found(Object.entries(options.agents).map(([name, { cwd }]) => ({ name, cwd })));
      case 'diagnostics':
        return found(connections.report(decision.connection));
      case 'end':
        return found((await connections.get(decision.connection)?.end(decision.how)) ?? connections.report(decision.connection)?.exit);
    }
  };
  // Node would answer a request with an Expect header itself (100 or 417), before the policy has seen it.
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const)
    server.on(event, (request: IncomingMessage, response: ServerResponse) => void answer(request, response));

  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await Promise.all(starting);
    await connections.shutDown();
    // These are refused clients that do not hang up.
    for (const socket of tcp) socket.destroy();
    await closed;
    log({ event: 'stopped' });
  };
  const url = `ws://${host.includes(':') ? `[${host}]` : host}:${bound}`;
  log({ event: 'listening', url, agents: Object.keys(options.agents) });
  return { url, token, close: () => (closing ??= close()) };
}

/** Closes the socket of a refused client, even if it does not read the answer. */
function dismiss(socket: Socket): void {
  setTimeout(() => socket.destroy(), 1_000).unref();
}

const UNKNOWN_CONNECTION = refuse('connection_unknown', 'No connection of this name is open or ended within the last minute.');

function headOf(request: IncomingMessage, earlyBytes: number): RequestHead {
  const headers: [string, string][] = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2)
    headers.push([request.rawHeaders[index]!, request.rawHeaders[index + 1]!]);
  return { method: request.method ?? '', httpVersion: request.httpVersion, target: request.url ?? '', headers, earlyBytes };
}

const JSON_HEADERS = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
const UPGRADE_HEADERS = { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
