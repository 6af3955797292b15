/**
 * The door: an HTTP server that asks the policy about every request and keeps nothing of what it refuses. Whoever is let in gets a
 * WebSocket; what is behind it is not the door's matter.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { withLimits } from '../engine/with-limits.ts';
import { BridgeSocket, type ClientOptions } from './client.ts';
import type { ConnectionDiagnostics } from './close.ts';
import { type Connected, Connections } from './connections.ts';
import { BRIDGE_LIMITS, type BridgeLimits } from './limits.ts';
import { checkDoor, type Door, type DoorOptions, hostNames } from './options.ts';
import {
  type AccessPolicy,
  authorizeHttp,
  authorizeUpgrade,
  header,
  type Refusal,
  type RequestHead,
  SUBPROTOCOL,
  type UpgradePolicy,
} from './policy.ts';

/** Somebody whom the policy let in, and who waits for an answer. */
export interface Visitor {
  readonly id: string;
  readonly agent: string;
  readonly subprotocol: string;
  readonly limits: BridgeLimits;
  /** Completes the upgrade and gives the client to `connect`, whose connection is ended with the door. False when the client has gone. */
  upgrade(connect: (client: ClientOptions) => Connected | null): boolean;
  /** Keeps how an attempt without a connection went, for who asks. */
  remember(report: ConnectionDiagnostics): void;
}

/** Opens a door. Rejects with `invalid_argument`, or with the system's error when the port cannot be had. */
export async function openDoor(options: DoorOptions, visit: (visitor: Visitor) => Promise<void>): Promise<Door> {
  const { host, port, origins } = checkDoor(options);
  const limits: BridgeLimits = withLimits(BRIDGE_LIMITS, options.limits);
  const server = createServer({
    headersTimeout: limits.handshakeMs,
    requestTimeout: limits.handshakeMs,
    // The timeouts above are only looked at this often.
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, limits.handshakeMs / 4)),
    maxHeaderSize: limits.headerBytes,
  });
  server.maxConnections = limits.sockets;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = (server.address() as AddressInfo).port;
  const token = options.token ?? randomBytes(32).toString('base64url');
  const hosts = hostNames(host, bound, options.hosts);
  const door = new OpenDoor(
    server,
    options,
    limits,
    { hosts, origins, allowMissingOrigin: options.allowMissingOrigin === true, token },
    visit,
  );
  const url = `ws://${host.includes(':') ? `[${host}]` : host}:${bound}`;
  options.log?.({ event: 'listening', url, agents: Object.keys(options.agents) });
  return { url, token, close: () => door.close() };
}

class OpenDoor {
  readonly #server: Server;
  readonly #options: DoorOptions;
  readonly #limits: BridgeLimits;
  readonly #access: AccessPolicy;
  readonly #visit: (visitor: Visitor) => Promise<void>;
  readonly #connections: Connections;
  readonly #sockets: WebSocketServer;
  /** When each recent upgrade was let in. */
  #upgrades: number[] = [];
  /** Every open connection, upgraded or not. */
  readonly #tcp = new Set<Socket>();
  readonly #starting = new Set<Promise<void>>();
  #closing: Promise<void> | null = null;

  constructor(
    server: Server,
    options: DoorOptions,
    limits: BridgeLimits,
    access: AccessPolicy,
    visit: (visitor: Visitor) => Promise<void>,
  ) {
    this.#server = server;
    this.#options = options;
    this.#limits = limits;
    this.#access = access;
    this.#visit = visit;
    this.#connections = new Connections(limits);
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // We look at the bytes ourselves, to close with the code of the contract.
      skipUTF8Validation: true,
      maxPayload: limits.messageBytes,
      maxFragments: limits.messageFragments,
      closeTimeout: limits.closeMs,
      // Its own limit of pings has no name and no close frame; the connection answers them.
      autoPong: false,
      // The policy has chosen; exactly one of what is offered is spoken here.
      handleProtocols: (offered: Set<string>) => this.#subprotocols.find((one) => offered.has(one)) ?? false,
      WebSocket: BridgeSocket,
    } as ConstructorParameters<typeof WebSocketServer>[0]);
    server.on('connection', (socket) => {
      this.#tcp.add(socket);
      socket.once('close', () => this.#tcp.delete(socket));
    });
    // Node itself would tell a request that expects something to go on (100), or refuse it (417), before the policy has seen it.
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      server.on(event, (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response));
    }
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('clientError', (_error, socket) => {
      options.log?.({ event: 'refused', status: 400, reason: 'malformed_request' });
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      setTimeout(() => socket.destroy(), 1_000).unref();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all(this.#starting);
    await Promise.all(this.#connections.all.map((connection) => connection.shutDown()));
    // What is left are clients that were refused and do not hang up.
    for (const socket of this.#tcp) socket.destroy();
    await closed;
    this.#options.log?.({ event: 'stopped' });
  }

  get #subprotocols(): readonly string[] {
    return this.#options.subprotocols ?? [SUBPROTOCOL];
  }

  #policy(): UpgradePolicy {
    const since = performance.now() - 1_000;
    this.#upgrades = this.#upgrades.filter((at) => at > since);
    return {
      ...this.#access,
      agents: Object.keys(this.#options.agents),
      subprotocols: this.#subprotocols,
      upgradesPerSecond: this.#limits.upgradesPerSecond,
      connections: this.#limits.connections,
      load: {
        recentUpgrades: this.#upgrades.length,
        connections: this.#connections.size,
        closing: this.#closing !== null,
        taken: (id) => this.#connections.taken(id),
      },
    };
  }

  #upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    const socket = duplex as Socket;
    socket.on('error', () => undefined); // 'close' follows
    const asked = headOf(request, head.length);
    const decision = authorizeUpgrade(asked, this.#policy());
    if (!decision.ok) {
      this.#refused(decision);
      socket.end(refusalText(decision, this.#corsFor(asked)));
      // Whoever does not take the answer does not keep the socket.
      setTimeout(() => socket.destroy(), 1_000).unref();
      return;
    }
    this.#upgrades.push(performance.now());
    const id = decision.connection ?? randomBytes(16).toString('base64url');
    this.#connections.reserve(id);
    const visitor: Visitor = {
      id,
      agent: decision.agent,
      subprotocol: decision.subprotocol,
      limits: this.#limits,
      upgrade: (connect) => this.#admit(id, request, socket, head, connect),
      remember: (report) => this.#connections.remember(report),
    };
    const start = this.#visit(visitor).finally(() => {
      this.#connections.release(id);
      this.#starting.delete(start);
    });
    this.#starting.add(start);
  }

  #admit(
    id: string,
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    connect: (client: ClientOptions) => Connected | null,
  ): boolean {
    let admitted = false;
    this.#sockets.handleUpgrade(request, socket, head, (websocket) => {
      admitted = true;
      websocket.on('error', () => undefined); // said by the socket's close(); 'close' follows
      const connection = connect({
        id,
        websocket: websocket as BridgeSocket,
        socket,
        limits: this.#limits,
        allowMcp: this.#options.allowMcp === true,
        onNote: (note) => this.#options.log?.({ event: 'note', connection: id, note }),
        onBytes: (bytes) => this.#connections.came(bytes),
      });
      if (connection !== null) this.#connections.add(connection);
    });
    return admitted;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = headOf(request, 0);
    response.shouldKeepAlive = false;
    const cors = this.#corsFor(asked);
    const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
      const text = JSON.stringify(body);
      const length = String(Buffer.byteLength(text));
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'Content-Length': length,
        'Cache-Control': 'no-store',
        ...cors,
        ...headers,
      });
      response.end(text);
    };
    const isAgent = asked.method !== 'OPTIONS' && asked.target.startsWith('/agents/');
    const decision = isAgent ? authorizeUpgrade(asked, this.#policy()) : authorizeHttp(asked, this.#access);
    // Without an upgrade event there is no upgrade, whatever the headers say.
    const refused: Refusal | null = !decision.ok
      ? decision
      : isAgent
        ? { ok: false, status: 426, reason: 'upgrade_required', message: 'An agent is reached with a WebSocket.' }
        : null;
    if (refused !== null) {
      this.#refused(refused);
      json(refused.status, { error: refused.reason, message: refused.message }, refused.status === 426 ? UPGRADE_HEADERS : {});
      return;
    }
    if (!('action' in decision)) return;
    switch (decision.action) {
      case 'preflight':
        response.writeHead(204, { ...cors, ...decision.headers });
        response.end();
        return;
      case 'agents':
        json(
          200,
          Object.entries(this.#options.agents).map(([name, { cwd }]) => ({ name, cwd })),
        );
        return;
      case 'diagnostics': {
        const report = this.#connections.report(decision.connection);
        json(report === undefined ? 404 : 200, report ?? UNKNOWN_CONNECTION);
        return;
      }
      case 'end': {
        const open = this.#connections.get(decision.connection);
        const exit = open === undefined ? this.#connections.report(decision.connection)?.exit : await open.end(decision.how);
        json(exit === undefined ? 404 : 200, exit ?? UNKNOWN_CONNECTION);
      }
    }
  }

  /** Lets an allowed page read an answer, refusals included. Others get no such header, so their browser keeps it from them. */
  #corsFor(request: RequestHead): Record<string, string> {
    const origin = header(request, 'origin');
    if (typeof origin !== 'string' || !this.#access.origins.includes(origin)) return {};
    return { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' };
  }

  #refused(refusal: Refusal): void {
    // SECURITY: neither path nor headers: a token put in the wrong place would be in the log.
    this.#options.log?.({ event: 'refused', status: refusal.status, reason: refusal.reason });
  }
}

const UNKNOWN_CONNECTION = { error: 'connection_unknown', message: 'No connection of this name is open or ended within the last minute.' };
const UPGRADE_HEADERS = { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };

function headOf(request: IncomingMessage, earlyBytes: number): RequestHead {
  const headers: [string, string][] = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2)
    headers.push([request.rawHeaders[index]!, request.rawHeaders[index + 1]!]);
  return { method: request.method ?? '', httpVersion: request.httpVersion, target: request.url ?? '', headers, earlyBytes };
}

function refusalText(refusal: Refusal, headers: Readonly<Record<string, string>>): string {
  const body = JSON.stringify({ error: refusal.reason, message: refusal.message });
  const all = {
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    ...headers,
    ...(refusal.status === 426 ? UPGRADE_HEADERS : {}),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}`, ...lines, '', body].join('\r\n');
}
