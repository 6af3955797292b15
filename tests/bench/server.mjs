/**
 * Our agent side: what a client of `rehydrate acp` waits for, against the same agent without us, what loading a long session
 * costs against reading the same rows and writing the same frames bare, and what a server keeps of sessions that sleep.
 *
 *   node tests/bench/server.mjs
 */
import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../src/engine/index.ts';
import { serveAcp } from '../../src/server/index.ts';
import { bareAgents } from './engine/agent.mjs';
import { inDirectory, lengthen, openBare } from './engine/database.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const AGENT = [process.execPath, here('./server/agent.mjs')];
const COMMAND = here('../../src/cli/rehydrate.ts');
const MESSAGES = 10_000;
const CHUNKS = 20_000;
const ROUNDS = 9;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => Number(value.toFixed(2));
const now = () => performance.timeOrigin + performance.now();

// ---------------------------------------------------------------- one frame

/** A client of a program that speaks ACP over stdio, with a session in it. */
async function openClient([program, ...args]) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map();
  let onUpdate = () => undefined;
  let pending = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop();
    for (const line of lines) {
      const message = JSON.parse(line);
      if (message.method === 'session/update') onUpdate(message.params.update);
      else waiting.get(message.id)?.(message);
    }
  });
  let id = 0;
  const request = async (method, params) => {
    const answer = new Promise((resolve) => waiting.set((id += 1), resolve));
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const { result, error } = await answer;
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  };
  await request('initialize', { protocolVersion: 1, clientCapabilities: {} });
  const { sessionId } = await request('session/new', { cwd: '/tmp', mcpServers: [] });
  return {
    /** Milliseconds of a prompt, and of each message from the agent to here; and how much was said. */
    async prompt(count, gapMs) {
      const delays = [];
      let chars = 0;
      onUpdate = ({ sessionUpdate, content }) => {
        if (sessionUpdate !== 'agent_message_chunk') return;
        delays.push(now() - Number(content.text));
        chars += content.text.length;
      };
      const began = performance.now();
      await request('session/prompt', { sessionId, prompt: [{ type: 'text', text: JSON.stringify({ count, gapMs }) }] });
      const ms = performance.now() - began;
      return { ms, delays, chars };
    },
    async close() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

const frames = () =>
  inDirectory(async (directory) => {
    const clients = [
      await openClient(AGENT),
      await openClient([process.execPath, COMMAND, 'acp', '--db', path.join(directory, 'acp.sqlite'), '--', ...AGENT]),
    ];
    const [delays, speeds] = [
      [[], []],
      [[], []],
    ];
    for (let i = 0; i < ROUNDS; i++) {
      for (const [which, client] of clients.entries()) {
        const slow = await client.prompt(200, 2);
        const fast = await client.prompt(CHUNKS, 0);
        if (slow.delays.length !== 200 || fast.chars !== CHUNKS * 45) throw new Error('Not all that the agent said came.');
        // The first rounds warm up.
        if (i < 2) continue;
        delays[which].push(median(slow.delays));
        speeds[which].push(CHUNKS / fast.ms);
      }
    }
    for (const client of clients) await client.close();
    const [alone, through] = speeds.map(median);
    return [
      {
        what: 'one message through rehydrate acp: latency added, median',
        value: round(median(delays[1]) - median(delays[0])),
        unit: 'ms',
        target: 1,
      },
      {
        what: `streamed chunks a second through rehydrate acp, stored (${Math.round(through * 1000)}), against the agent alone (${Math.round(alone * 1000)})`,
        ratio: round(through / alone),
        target: 0.5,
        bound: 'min',
      },
    ];
  });

// ---------------------------------------------------------------- session/load

/** Two ends of one connection. */
function pair() {
  const [up, down] = [new TransformStream(), new TransformStream()];
  return [
    { readable: down.readable, writable: up.writable },
    { readable: up.readable, writable: down.writable },
  ];
}

/** Reads until the answer; processor time of it all, milliseconds to the first frame, and how many came. */
async function readAll(readable, begin) {
  const before = process.cpuUsage();
  const began = performance.now();
  await begin();
  let [first, count] = [null, 0];
  const reader = readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    first ??= performance.now() - began;
    if (done || value.id !== undefined) break;
    count++;
  }
  reader.releaseLock();
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, first, count };
}

/** The same rows, a page at a time, each message as one frame. */
async function loadBare(file, sessionId) {
  const [client, server] = pair();
  const db = openBare(file);
  const page = db.prepare(
    'SELECT seq, turn_id, at, kind, origin, payload, meta FROM acp_session_events WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT 256',
  );
  const write = async () => {
    const writer = server.writable.getWriter();
    let open = null;
    const flush = async () => {
      if (open) await writer.write({ jsonrpc: '2.0', method: 'session/update', params: { sessionId, update: open } });
      open = null;
    };
    for (let after = 0; ;) {
      const rows = page.all(sessionId, after);
      for (const { kind, payload } of rows) {
        if (kind !== 'update') continue;
        const update = JSON.parse(payload);
        if (open?.messageId !== undefined && open.messageId === update.messageId) open.content.text += update.content.text;
        else {
          await flush();
          open = update;
        }
      }
      if (rows.length < 256) break;
      after = rows.at(-1).seq;
    }
    await flush();
    await writer.write({ jsonrpc: '2.0', id: 1, result: {} });
  };
  const measured = await readAll(client.readable, () => void write());
  db.close();
  return measured;
}

const loads = () =>
  inDirectory(async (directory) => {
    const file = path.join(directory, 'load.sqlite');
    let database = await openNodeSqlite(file);
    let host = await createHost({ database, agents: bareAgents({ chunks: () => 0 }) });
    const { sessionId } = await host.create({ agent: 'bare', cwd: '/tmp' });
    await host.sleep();
    await database.close();
    lengthen(file, sessionId, (MESSAGES / 2) * 10);
    database = await openNodeSqlite(file);
    host = await createHost({ database, agents: bareAgents() });
    const [ratios, firsts, times] = [[], [], []];
    for (let i = 0; i < ROUNDS; i++) {
      const [client, server] = pair();
      const serving = serveAcp(host, server, { agent: 'bare' });
      const writer = client.writable.getWriter();
      const ours = await readAll(client.readable, () =>
        writer.write({ jsonrpc: '2.0', id: 1, method: 'session/load', params: { sessionId, cwd: '/tmp', mcpServers: [] } }),
      );
      serving.close();
      const bare = await loadBare(file, sessionId);
      if (ours.count < MESSAGES || bare.count < MESSAGES) throw new Error(`${ours.count} and ${bare.count} frames came.`);
      if (i < 2) continue;
      ratios.push(ours.ms / bare.ms);
      firsts.push(ours.first);
      times.push(ours.ms);
    }
    await host.sleep();
    await database.close();
    return [
      {
        what: `session/load of ${MESSAGES} messages, agent asleep (${round(median(times))} ms), against reading the rows and writing the frames bare`,
        ratio: round(median(ratios)),
        target: 1.5,
      },
      { what: 'the same: until the first message', value: round(median(firsts)), unit: 'ms', target: 20 },
    ];
  });

// ---------------------------------------------------------------- many sessions

const PROMPTS = 500;
const LIVE = 20;

/** Answers SIGUSR2 with the heap after the garbage is collected. Code that was run stays part of it, as it would not be after a longer run. */
const PROBE = `process.on('SIGUSR2', async () => {
  for (let i = 0; i < 4; i++) { gc(); await new Promise((done) => setTimeout(done, 50)); }
  process.stderr.write('HEAP ' + process.memoryUsage().heapUsed + '\\n');
});`;

/**
 * Bytes of the heap of a `rehydrate serve` that was prompted `PROMPTS` times in so many sessions, one after the other, of which `LIVE`
 * have an agent; its clients have gone, or `stay` and have them all open.
 */
const heapOf = (sessions, { stay }) =>
  inDirectory(async (directory) => {
    const args = ['serve', '--db', path.join(directory, 'serve.sqlite'), '--json', '--idle', '3', '--agent', `bare=${AGENT.join(' ')}`];
    const probe = `data:text/javascript,${encodeURIComponent(PROBE)}`;
    const child = spawn(process.execPath, ['--expose-gc', '--no-flush-bytecode', '--import', probe, COMMAND, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [line] = await once(child.stdout, 'data');
    const { url, token } = JSON.parse(line);
    const connect = async () => {
      const socket = new WebSocket(`${url}/agents/bare`, ['acp.v1', `bearer.${token}`]);
      await once(socket, 'open');
      let id = 0;
      const request = async (method, params) => {
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: (id += 1), method, params }));
        for await (const [data] of on(socket, 'message')) {
          const { id: of, result, error } = JSON.parse(data);
          if (of !== id) continue;
          if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
          return result;
        }
      };
      await request('initialize', { protocolVersion: 1, clientCapabilities: {} });
      return { request, leave: () => socket.close() };
    };
    const text = JSON.stringify({ count: 20, gapMs: 0 });
    const opened = [];
    let client;
    for (let i = 0; i < sessions; i++) {
      if (i % LIVE === 0) {
        if (!stay) client?.leave();
        client = await connect();
      }
      const { request } = client;
      const { sessionId } = await request('session/new', { cwd: directory, mcpServers: [] });
      const prompt = () => request('session/prompt', { sessionId, prompt: [{ type: 'text', text }] });
      for (let times = 0; times < PROMPTS / sessions; times++) await prompt();
      opened.push(prompt);
    }
    for (const prompt of opened.slice(-LIVE)) await prompt();
    child.kill('SIGUSR2');
    for await (const [said] of on(child.stderr, 'data')) {
      const [, bytes] = /^HEAP (\d+)$/m.exec(said) ?? [];
      if (bytes === undefined) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
      return Number(bytes);
    }
  });

const memory = async () => {
  const few = await heapOf(LIVE, { stay: false });
  const [gone, open] = [await heapOf(PROMPTS, { stay: false }), await heapOf(PROMPTS, { stay: true })];
  const mb = (bytes) => `${round(bytes / 2 ** 20)} MB`;
  return [
    {
      what: `heap of rehydrate serve after ${PROMPTS} prompts, ${LIVE} sessions live now: one in each of ${PROMPTS} sessions, whose other clients have gone (${mb(gone)}), against all in those ${LIVE} (${mb(few)})`,
      ratio: round(gone / few),
      target: 1.15,
    },
    {
      what: `the same, for each session that sleeps and that a client still has open (${mb(open)} in all)`,
      value: round((open - gone) / (PROMPTS - LIVE) / 1024),
      unit: 'KiB',
    },
  ];
};

export async function run() {
  return { name: 'server', results: [...(await loads()), ...(await frames()), ...(await memory())] };
}

if (import.meta.main) console.table((await run()).results);
