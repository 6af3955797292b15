/**
 * The bridge against the npm package `stdio-to-ws` and against a bare pipe: the same agent, the same
 * messages, the same client work (every message parsed), in one run. Ratios, not absolute figures:
 * those belong to the machine.
 *
 *   node tests/bench/bridge.mjs
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';

const here = (name) => fileURLToPath(new URL(`./bridge/${name}`, import.meta.url));
const AGENT = [process.execPath, here('agent.mjs')];
const MESSAGES = 100_000;
const TEXT = 'The quick brown fox jumps over the lazy dog.';
const ROUND_TRIPS = 1_500;
/** Single rounds differ by a quarter on a busy machine; the median of this many by a few percent. */
const ROUNDS = 15;
const KINDS = ['pipe', 'ours', 'theirs'];

/** A connection to the agent: `send(text)`, and `onMessage` called with each message's text. */
async function openPipe() {
  const child = spawn(AGENT[0], AGENT.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const connection = {
    onMessage: () => undefined,
    send: (text) => child.stdin.write(`${text}\n`),
    close: async () => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
  let pending = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop();
    for (const line of lines) connection.onMessage(line);
  });
  return connection;
}

async function openSocket({ url, protocols }) {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  const connection = {
    socket,
    onMessage: () => undefined,
    send: (text) => socket.send(text),
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
  socket.on('message', (data) => connection.onMessage(data.toString()));
  socket.on('close', (code) => connection.onGone?.(new Error(`The connection closed with ${code}.`)));
  await once(socket, 'open');
  return connection;
}

async function startOurs() {
  const child = spawn(process.execPath, [here('host.ts'), ...AGENT], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  return {
    ...JSON.parse(String(line)),
    pid: child.pid,
    stop: async () => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

async function startTheirs() {
  if (!existsSync(here('node_modules/stdio-to-ws'))) {
    const done = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', '--no-package-lock'], {
      cwd: here('.'),
      stdio: 'inherit',
    });
    if (done.status !== 0) throw new Error('stdio-to-ws could not be installed: the comparison needs it.');
  }
  const port = await freePort();
  const command = AGENT.map((part) => JSON.stringify(part)).join(' ');
  // It prints every message, --quiet or not; /dev/null is the cheapest place for that.
  const child = spawn(process.execPath, [here('node_modules/stdio-to-ws/dist/main.js'), '--quiet', '--port', String(port), command], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `ws://127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    try {
      await (await openSocket({ url, protocols: [] })).close();
      break;
    } catch (error) {
      if (tries > 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return {
    url,
    protocols: [],
    pid: child.pid,
    stop: async () => {
      const exit = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null && child.kill()) await exit;
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Streamed messages a second of an agent that has started: how long its program takes to load is not the transport's. */
async function throughput(connection) {
  await exchange(connection, 2, 'echo', {}, 0);
  const begun = performance.now();
  await exchange(connection, 1, 'flood', { count: MESSAGES, text: TEXT }, MESSAGES);
  return (MESSAGES / (performance.now() - begun)) * 1_000;
}

/** Milliseconds of each of many round trips, sorted. */
async function roundTrips(connection) {
  const times = [];
  for (let index = 0; index < ROUND_TRIPS; index += 1) {
    const begun = performance.now();
    await exchange(connection, index + 10, 'echo', { text: TEXT }, 0);
    times.push(performance.now() - begun);
  }
  return times.sort((left, right) => left - right);
}

function exchange(connection, id, method, params, expected) {
  return new Promise((resolve, reject) => {
    let updates = 0;
    connection.onGone = reject;
    connection.onMessage = (text) => {
      const message = JSON.parse(text);
      if (message.id !== id) updates += 1;
      else if (updates === expected) resolve();
      else reject(new Error(`${updates} messages came, not ${expected}.`));
    };
    connection.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  });
}

/** How much a server grows, in MiB, while an agent streams 100 MB to a client that has stopped reading. */
async function growth(server) {
  const connection = await openSocket(server);
  await exchange(connection, 1, 'echo', {}, 0);
  const before = residentMiB(server.pid);
  connection.socket.pause();
  connection.send(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'flood', params: { count: 100_000, text: 'x'.repeat(1_000) } }));
  let most = before;
  for (let looks = 0; looks < 30; looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    most = Math.max(most, residentMiB(server.pid));
  }
  connection.socket.terminate();
  return most - before;
}

function residentMiB(pid) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/** The processor time that a server's own process has used, in milliseconds, to ten of them (Linux; elsewhere 0). */
function processorMs(server) {
  if (server === undefined || process.platform !== 'linux') return 0;
  const [user, system] = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
  return (Number(user) + Number(system)) * 10;
}

const median = (values) => values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)];
const percentile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];

/** Runs everything; `bound` says whether a ratio must be at least (`min`) or at most (`max`) its target. */
export async function run() {
  const ours = await startOurs();
  const theirs = await startTheirs();
  const servers = { ours, theirs };
  const open = { pipe: openPipe, ours: () => openSocket(ours), theirs: () => openSocket(theirs) };
  try {
    const rates = { pipe: [], ours: [], theirs: [] };
    const times = { pipe: [], ours: [], theirs: [] };
    const used = { ours: 0, theirs: 0 };
    // Round by round, so that what else the machine does falls on all three alike, and beginning with another one each time, so that
    // what one leaves behind (an agent that is ended) does too. The first round warms up.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (let turn = 0; turn < KINDS.length; turn += 1) {
        const kind = KINDS[(round + turn) % KINDS.length];
        const connection = await open[kind]();
        const before = processorMs(servers[kind]);
        const rate = await throughput(connection);
        const after = processorMs(servers[kind]);
        const trips = await roundTrips(connection);
        await connection.close();
        if (round === 0) continue;
        rates[kind].push(rate);
        times[kind].push(...trips);
        if (kind in used) used[kind] += after - before;
      }
    }
    for (const kind of KINDS) times[kind].sort((left, right) => left - right);
    const over = (kind) => median(rates.ours.map((rate, round) => rate / rates[kind][round]));
    const added = (kind, part) => percentile(times[kind], part) - percentile(times.pipe, part);
    const grown = process.platform === 'linux' ? { ours: await growth(ours), theirs: await growth(theirs) } : null;
    return {
      name: 'bridge',
      figures: {
        messagesPerSecond: Object.fromEntries(KINDS.map((kind) => [kind, median(rates[kind])])),
        processorMicrosecondsPerMessage: Object.fromEntries(
          Object.entries(used).map(([kind, ms]) => [kind, (ms * 1_000) / (ROUNDS * MESSAGES)]),
        ),
        addedLatencyMs: {
          ours: { p50: added('ours', 0.5), p99: added('ours', 0.99) },
          theirs: { p50: added('theirs', 0.5), p99: added('theirs', 0.99) },
        },
        stoppedReaderGrowthMiB: grown,
      },
      results: [
        { what: 'streamed messages a second, bridge over stdio-to-ws', ratio: over('theirs'), target: 6, bound: 'min' },
        { what: 'streamed messages a second, bridge over a bare pipe', ratio: over('pipe'), target: 0.87, bound: 'min' },
        { what: 'added latency p50, bridge over stdio-to-ws', ratio: added('ours', 0.5) / added('theirs', 0.5), target: 1, bound: 'max' },
        { what: 'added latency p99, bridge over stdio-to-ws', ratio: added('ours', 0.99) / added('theirs', 0.99), target: 1, bound: 'max' },
        ...(grown === null
          ? []
          : [{ what: 'memory for a client that stopped reading 100 MB, over 32 MiB', ratio: grown.ours / 32, target: 1, bound: 'max' }]),
      ],
    };
  } finally {
    await ours.stop();
    await theirs.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(JSON.stringify(await run(), null, 2));
