/** The bridge: each client that the door lets in gets an agent of its own, whose process tree lives as long as the socket. */
import path from 'node:path';
import { checkOptions } from '../engine/check-options.ts';
import { RehydrateError } from '../engine/errors.ts';
import { describeExit } from '../engine/ports.ts';
import { redactTokens } from '../engine/transcript/token-shapes.ts';
import { withLimits } from '../engine/with-limits.ts';
import { type RunningProcess, startProcess } from '../adapters/stdio/agent-process.ts';
import { looksLikeMessage } from '../adapters/json-rpc.ts';
import { checkAgents } from '../adapters/stdio/launcher.ts';
import { STDIO_LIMITS, type StdioLimits } from '../adapters/stdio/limits.ts';
import { corker, LineTooLong, readBlocks, utf8Reader } from '../adapters/stdio/lines.ts';
import { droppedNotice } from '../adapters/websocket/dropped.ts';
import { attend, type Client, type ClientOptions } from './client.ts';
import { closeFrame } from './close.ts';
import type { Connected } from './connections.ts';
import { openDoor, type UpgradeRequest } from './door.ts';
import { framesOf, textFrame } from './frames.ts';
import { BRIDGE_LIMITS } from './limits.ts';
import { type BridgeOptions, type Door, DOOR_OPTIONS, isLoopback } from './options.ts';

export interface Bridge extends Door {
  readonly agents: readonly string[];
  readonly cwd: string;
}

/**
 * Starts a bridge. Rejects with `invalid_argument`, or with the system's error when the port cannot be had.
 *
 * @example
 * const bridge = await startBridge({ agents: { mine: { command: 'your-acp-agent' } }, origins: ['http://127.0.0.1:4321'] });
 * console.log(bridge.url, bridge.token);
 */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  checkOptions('startBridge', options, [...DOOR_OPTIONS, 'agents', 'cwd', 'processLimits'], ['agents']);
  checkAgents(options.agents);
  const cwd = path.resolve(options.cwd ?? '.');
  const places = Object.fromEntries(Object.entries(options.agents).map(([name, agent]) => [name, { cwd: path.resolve(agent.cwd ?? cwd) }]));
  const { messageBytes } = withLimits(BRIDGE_LIMITS, options.limits);
  const processLimits = withLimits({ ...STDIO_LIMITS, messageBytes }, options.processLimits, 'processLimits');
  const door = await openDoor({ ...options, agents: places }, (asking) => startAgent(asking, { ...options, cwd, processLimits }));
  return { ...door, agents: Object.keys(options.agents), cwd };
}

/** Starts the agent before the socket is opened, so that a client has an agent or is told at once why not. */
async function startAgent(asking: UpgradeRequest, options: BridgeOptions & { cwd: string; processLimits: StdioLimits }): Promise<void> {
  const { id, agent } = asking;
  const { command, args = [], env, cwd = options.cwd } = options.agents[agent]!;
  let running: RunningProcess;
  try {
    running = await startProcess({ name: agent, command, args, cwd, env: { ...process.env, ...env } }, { limits: options.processLimits });
  } catch (error) {
    // Only this client is told; the bridge goes on for the others.
    const message = error instanceof Error ? error.message : String(error);
    const exit = { kind: 'not_started', code: null, signal: null, message } as const;
    asking.remember({ connection: id, agent, exit, stderr: '' });
    options.log?.({ event: 'closed', connection: id, agent, exit: `could not start (${RehydrateError.is(error) ? error.code : message})` });
    asking.upgrade(({ websocket }) => {
      const frame = closeFrame({ kind: 'exit', exit }, id);
      websocket.close(frame.code, frame.reason);
      return null;
    });
    return;
  }
  const attached = asking.upgrade((client) => {
    const connection = agentConnection(agent, running, client);
    options.log?.({ event: 'opened', connection: id, agent, pid: running.pid });
    void connection.exited.then((exit) => {
      const { limit } = connection.client;
      const why = limit === undefined ? '' : ` (the limit ${limit})`;
      options.log?.({ event: 'closed', connection: id, agent, exit: `${describeExit(exit)}${why}` });
    });
    return connection;
  });
  // The client left while its agent started, so nobody else ends the agent.
  if (!attached) await running.end('kill');
}

/** Room for the frames of one read of an agent's output, which is 64 KiB at most. */
const ROOM_BYTES = 80 * 1024;

/** Connects one WebSocket with one agent's process tree; each ends with the other. */
function agentConnection(agent: string, running: RunningProcess, options: ClientOptions): Connected {
  const { stdin } = running;
  const exited = running.exited.then((exit) => (exit.stderr === undefined ? exit : { ...exit, stderr: redactTokens(exit.stderr) }));
  const cork = corker(stdin);
  const client = attend({
    ...options,
    onMessage: (_message, line) => {
      if (!stdin.writable) return null;
      cork();
      stdin.write(`${line}\n`);
      return stdin.writableLength > options.limits.bufferedBytes ? stdin : null;
    },
    onFault: () => void running.end('ask'),
  });
  const said = new Promise<void>((resolve) => forward(running, client, options, resolve));
  void client.gone.then(() => running.end('ask'));
  // Waits for the output, so that the close frame comes after everything the agent said.
  const closed = Promise.all([running.exited, said]).then(([exit]) => client.close({ kind: 'exit', exit }));
  return {
    agent,
    client,
    exited,
    done: Promise.all([closed, client.gone, running.exited]),
    // Pages may ask for this, so what looks like a token is redacted, as in a host's log.
    diagnostics: () => redactTokens(running.diagnostics()),
    async end(how) {
      await running.end(how);
      return exited;
    },
  };
}

/** Agent to client: messages on stdout become frames, other lines diagnostics. While the client does not read, the agent's stdout is paused. */
function forward(running: RunningProcess, client: Client, { socket, limits }: ClientOptions, end: () => void): void {
  const { stdout } = running;
  /** Reused while the socket takes frames at once, because a new buffer for each read of a fast agent makes much garbage. */
  let room = Buffer.allocUnsafeSlow(ROOM_BYTES);
  /** True until the agent's first message. */
  let opening = true;
  let full = false;
  const utf8 = utf8Reader((note) => running.note(note));
  const reject = (line: Buffer): void => {
    const text = line.toString('utf8');
    if (looksLikeMessage(text)) running.drop(text);
    else running.note(line);
  };
  const output = readBlocks(stdout, limits.messageBytes, {
    block: (block) => {
      const behind = socket.writableLength > 0;
      const before = running.dropped;
      const out = framesOf(utf8(block), reject, opening, behind ? undefined : room);
      if (out !== null) opening = false;
      if (!client.open) return;
      const { dropped } = running;
      // Sent before the block's messages, one of which may end the turn, and once for all lines of the block.
      if (dropped && dropped !== before) socket.write(textFrame(droppedNotice({ ...dropped, last: redactTokens(dropped.last) })));
      if (out !== null) socket.write(out);
      // The socket keeps the buffer until it has drained; until then frames get their own buffers.
      if (!behind && socket.writableLength > 0) room = Buffer.allocUnsafeSlow(ROOM_BYTES);
      if (socket.writableLength <= limits.bufferedBytes || full) return;
      full = true;
      stdout.pause();
      socket.once('drain', () => {
        full = false;
        stdout.resume();
      });
    },
    failed: (error) => {
      if (!(error instanceof LineTooLong)) throw error;
      client.giveUp({ kind: 'limit', limit: 'messageBytes' });
    },
    end,
  });
  // The socket of a client that left never drains. Read on, so that a full pipe does not keep the agent from ending.
  socket.once('close', () => {
    output.stop();
    stdout.resume();
  });
}

/**
 * The text for the person who starts a bridge: what it exposes, to whom, and how to stop it. The token is on a line of its own.
 *
 * @example
 * const options = { agents: { mine: { command: 'your-acp-agent' } }, allowMissingOrigin: true };
 * console.error(formatBridgeBanner(await startBridge(options), options));
 */
export function formatBridgeBanner(bridge: Bridge, options: BridgeOptions): string {
  const { host = '127.0.0.1', origins = [] } = options;
  const who = [
    ...(origins.length > 0 ? [`pages of ${origins.join(', ')}`] : []),
    ...(options.allowMissingOrigin === true ? ['programs that are not browsers'] : []),
  ];
  return [
    `Bridge on ${bridge.url}`,
    `  agents   ${bridge.agents.join(', ')}, in ${bridge.cwd}`,
    `  for      ${who.length === 0 ? 'nobody yet: give --origin URL or --allow-missing-origin' : `${who.join(' and ')}, with the token`}`,
    `  token    ${bridge.token}`,
    `  risk     anyone with the token acts with the rights of the agents: their files, their programs, your account`,
    ...(options.allowMcp === true
      ? ['  --allow-mcp   clients may also have the agents start any program: as an MCP server, or by settings and environment in _meta']
      : []),
    ...(isLoopback(host)
      ? []
      : [
          `  WARNING  ${host} is not loopback: other machines can reach this, and the connection is not encrypted. Put it behind a tunnel or a proxy with TLS.`,
        ]),
    '  stop     Ctrl-C; the agents end with it',
  ].join('\n');
}
