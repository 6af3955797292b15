/** The bridge's server: asks the policy, starts agents, and keeps nothing of what it refuses. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { RehydrateError } from '../engine/errors.ts';
import { describeExit } from '../engine/ports.ts';
import { startProcess } from '../adapters/stdio/agent-process.ts';
import { STDIO_LIMITS } from '../adapters/stdio/limits.ts';
import { closeFrame } from './close.ts';
import { Connection } from './connection.ts';
import { header, type Refusal, type RequestFacts } from './facts.ts';
import { BRIDGE_LIMITS, type BridgeLimits } from './limits.ts';
import { type BridgeOptions, checkOptions, hostNames } from './options.ts';
import { authorizeUpgrade, SUBPROTOCOL, type UpgradePolicy } from './policy.ts';
import { authorizeHttp } from './policy-http.ts';
import { Registry } from './registry.ts';
import { BridgeSocket } from './socket.ts';
import { withLimits } from '../engine/with-limits.ts';

export interface Bridge {
  /** `ws://HOST:PORT`; an agent is at `{url}/agents/NAME`. */
  readonly url: string;
  /** 43 base64url characters; never part of an address. */
  readonly token: string;
  readonly agents: readonly string[];
  readonly cwd: string;
  /** Ends every agent's tree, closes every socket (4005), and resolves when all are gone. */
  close(): Promise<void>;
}

/** Starts a bridge. Rejects with `invalid_argument`, or with the system's error when the port cannot be had. */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { host, port, cwd, origins } = checkOptions(options);
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
  const running = new RunningBridge(server, options, limits, {
    hosts: hostNames(host, bound, options.hosts),
    origins,
    allowMissingOrigin: options.allowMissingOrigin === true,
    token,
    cwd,
  });
  const url = `ws://${host.includes(':') ? `[${host}]` : host}:${bound}`;
  const agents = Object.keys(options.agents);
  options.log?.({ event: 'listening', url, agents });
  return { url, token, agents, cwd, close: () => running.close() };
}

interface Access {
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  readonly allowMissingOrigin: boolean;
  readonly token: string;
  readonly cwd: string;
}

class RunningBridge {
  readonly #server: Server;
  readonly #options: BridgeOptions;
  readonly #limits: BridgeLimits;
  readonly #access: Access;
  readonly #registry: Registry;
  readonly #sockets: WebSocketServer;
  /** When each recent upgrade was let in. */
  #upgrades: number[] = [];
  /** Every open connection, upgraded or not. */
  readonly #tcp = new Set<Socket>();
  readonly #starting = new Set<Promise<void>>();
  #closing: Promise<void> | null = null;

  constructor(server: Server, options: BridgeOptions, limits: BridgeLimits, access: Access) {
    this.#server = server;
    this.#options = options;
    this.#limits = limits;
    this.#access = access;
    this.#registry = new Registry(limits);
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
      handleProtocols: () => SUBPROTOCOL,
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
    await Promise.all(this.#registry.all.map((connection) => connection.shutDown()));
    // What is left are clients that were refused and do not hang up.
    for (const socket of this.#tcp) socket.destroy();
    await closed;
    this.#registry.clear();
    this.#options.log?.({ event: 'stopped' });
  }

  #policy(): UpgradePolicy {
    const since = performance.now() - 1_000;
    this.#upgrades = this.#upgrades.filter((at) => at > since);
    return {
      ...this.#access,
      agents: Object.keys(this.#options.agents),
      upgradesPerSecond: this.#limits.upgradesPerSecond,
      connections: this.#limits.connections,
      load: {
        recentUpgrades: this.#upgrades.length,
        connections: this.#registry.size,
        closing: this.#closing !== null,
        taken: (id) => this.#registry.taken(id),
      },
    };
  }

  #upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    const socket = duplex as Socket;
    socket.on('error', () => undefined); // 'close' follows
    const facts = factsOf(request, head.length);
    const decision = authorizeUpgrade(facts, this.#policy());
    if (!decision.ok) {
      this.#refused(decision);
      socket.end(refusalText(decision, this.#corsFor(facts)));
      // Whoever does not take the answer does not keep the socket.
      setTimeout(() => socket.destroy(), 1_000).unref();
      return;
    }
    this.#upgrades.push(performance.now());
    const id = decision.connection ?? randomBytes(16).toString('base64url');
    this.#registry.reserve(id);
    const start = this.#start(id, decision.agent, request, socket, head).finally(() => {
      this.#registry.release(id);
      this.#starting.delete(start);
    });
    this.#starting.add(start);
  }

  /** Starts the agent first: a client that is let in has an agent, or is told at once why not. */
  async #start(id: string, agent: string, request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { command, args = [], env, cwd } = this.#options.agents[agent]!;
    let started: Awaited<ReturnType<typeof startProcess>>;
    try {
      started = await startProcess(
        { name: agent, command, args, cwd: cwd ?? this.#access.cwd, env: { ...process.env, ...env } },
        { limits: withLimits({ ...STDIO_LIMITS, messageBytes: this.#limits.messageBytes }, this.#options.processLimits) },
      );
    } catch (error) {
      // Whatever went wrong, it is this client's to hear, and no reason to end the others.
      const message = error instanceof Error ? error.message : String(error);
      const exit = { kind: 'not_started', code: null, signal: null, message } as const;
      this.#registry.remember({ connection: id, agent, exit, stderr: '' });
      this.#options.log?.({
        event: 'closed',
        connection: id,
        agent,
        exit: `could not start (${RehydrateError.is(error) ? error.code : message})`,
      });
      this.#sockets.handleUpgrade(request, socket, head, (websocket) => {
        const frame = closeFrame({ kind: 'exit', exit }, id);
        websocket.on('error', () => undefined);
        websocket.close(frame.code, frame.reason);
      });
      return;
    }
    let attached = false;
    this.#sockets.handleUpgrade(request, socket, head, (websocket) => {
      attached = true;
      const connection: Connection = new Connection({
        id,
        agent,
        websocket,
        socket,
        running: started,
        limits: this.#limits,
        allowMcp: this.#options.allowMcp === true,
        onNote: (note) => this.#options.log?.({ event: 'note', connection: id, note }),
      });
      (websocket as BridgeSocket).attach(connection);
      this.#registry.add(connection);
      this.#options.log?.({ event: 'opened', connection: id, agent, pid: started.pid });
      void connection.exited.then((exit) => this.#options.log?.({ event: 'closed', connection: id, agent, exit: describeExit(exit) }));
    });
    // The client went while its agent started: nobody will end the agent but us.
    if (!attached) await started.end('kill');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const facts = factsOf(request, 0);
    response.shouldKeepAlive = false;
    const cors = this.#corsFor(facts);
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
    const isAgent = facts.method !== 'OPTIONS' && facts.target.startsWith('/agents/');
    const decision = isAgent ? authorizeUpgrade(facts, this.#policy()) : authorizeHttp(facts, this.#access);
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
          Object.entries(this.#options.agents).map(([name, agent]) => ({ name, cwd: agent.cwd ?? this.#access.cwd })),
        );
        return;
      case 'diagnostics': {
        const report = this.#registry.report(decision.connection);
        json(report === undefined ? 404 : 200, report ?? UNKNOWN_CONNECTION);
        return;
      }
      case 'end': {
        const open = this.#registry.get(decision.connection);
        const exit = open === undefined ? this.#registry.report(decision.connection)?.exit : await open.end(decision.how);
        json(exit === undefined ? 404 : 200, exit ?? UNKNOWN_CONNECTION);
      }
    }
  }

  /** Lets an allowed page read an answer, refusals included. Others get no such header, so their browser keeps it from them. */
  #corsFor(facts: RequestFacts): Record<string, string> {
    const origin = header(facts, 'origin');
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

function factsOf(request: IncomingMessage, earlyBytes: number): RequestFacts {
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
