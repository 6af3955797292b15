/**
 * The engine on a file: what an append costs against bare SQLite in the same run, what the length of the log
 * does to it, what a resume costs on top of the agent's own time, and memory while an agent streams.
 *
 *   node tests/bench/engine.mjs
 */
import path from 'node:path';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createHost } from '../../src/engine/index.ts';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { bareAgents } from './engine/agent.mjs';
import { counting, inDirectory, lengthen, openBare, openTwin } from './engine/database.mjs';

/** Rounds until the engine is compiled: a hundred thousand events. Its cost falls so long; SQLite's does not. */
const WARM_UP = 10;
const SESSION = 'main';
const CREATE = { agent: 'bare', cwd: '/tmp', sessionId: SESSION };

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const sum = (values) => values.reduce((a, b) => a + b);
const round = (value, digits = 2) => Number(value.toFixed(digits));
const between = async (n, work) => {
  const values = [];
  for (let i = 0; i < n; i++) values.push(await work(i));
  return median(values);
};

/** A session in a new file, `events` long. */
async function prepared(directory, name, events, agents) {
  const file = path.join(directory, `${name}.sqlite`);
  const database = await openNodeSqlite(file);
  const host = await createHost({ database, agents });
  await host.create(CREATE);
  await host.prompt(SESSION, 'Hello');
  await host.sleep();
  await database.close();
  if (events > 0) lengthen(file, SESSION, events);
  return file;
}

/** Milliseconds of processor time, ours and the kernel's for us: other programs on the machine do not count. */
async function busy(work) {
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, value };
}

/** What the agent itself costs: its messages, read and dropped. */
async function agentAlone(chunks, says) {
  const agent = await bareAgents({ chunks: () => chunks, ...says }).launch();
  const writer = agent.stream.writable.getWriter();
  const reader = agent.stream.readable.getReader();
  await writer.write({ jsonrpc: '2.0', id: 0, method: 'session/prompt', params: { sessionId: 's' } });
  const { ms } = await busy(async () => {
    while ((await reader.read()).value.id === undefined);
  });
  await agent.end('kill');
  return ms;
}

/**
 * Streamed turns, durable, through the whole host, from the agent's message to its row; and the rows they made, by bare inserts. In
 * processor time, over all rounds: a checkpoint of SQLite falls into some and not into others.
 */
const appendRatio = (chunks, says) =>
  inDirectory(async (directory) => {
    const database = counting(await openNodeSqlite(path.join(directory, 'engine.sqlite')));
    const host = await createHost({ database, agents: bareAgents({ chunks: () => chunks, ...says }) });
    await host.create(CREATE);
    const twin = await openTwin(path.join(directory, 'bare.sqlite'), database);
    const [engine, bare] = [[], []];
    for (let round = 0; round < WARM_UP + 21; round++) {
      const { latestSeq } = await host.get(SESSION);
      database.batches.length = 0;
      const whole = await busy(() => host.prompt(SESSION, 'stream'));
      const batches = [...database.batches];
      const rows = twin.bound(await database.query('SELECT * FROM acp_session_events WHERE seq > ? ORDER BY seq', [latestSeq]));
      const inserts = await busy(() => twin.store(rows, batches));
      const alone = await agentAlone(chunks, says);
      if (round < WARM_UP) continue;
      engine.push(whole.ms - alone);
      bare.push(inserts.ms);
    }
    const transactions = database.batches.length;
    await host.sleep();
    await database.close();
    twin.close();
    return { ratio: sum(engine) / sum(bare), transactions };
  });

/** Processor time for a chunk, streamed into a log of a given length. */
async function appendCosts(lengths, chunks) {
  return inDirectory(async (directory) => {
    const hosts = [];
    for (const length of lengths) {
      const agents = bareAgents({ resume: true, chunks: () => chunks });
      const database = await openNodeSqlite(await prepared(directory, `log-${length}`, length, agents));
      const host = await createHost({ database, agents });
      await host.prompt(SESSION, 'warm up');
      hosts.push({ host, database, costs: [] });
    }
    // In turn, so that whatever else the machine does falls on all of them.
    for (let round = 0; round < 31; round++) {
      for (const { host, costs } of hosts) {
        costs.push((await busy(() => host.prompt(SESSION, 'stream'))).ms / chunks);
      }
    }
    const transcripts = [];
    for (const { host, database } of hosts) {
      transcripts.push(await between(9, async () => (await busy(() => host.transcript(SESSION))).ms));
      await host.sleep();
      await database.close();
    }
    return { costs: hosts.map(({ costs }) => median(costs)), transcripts };
  });
}

/** A resume with an agent that answers at once, in milliseconds of processor time. */
const resumeOverhead = (options, events) =>
  inDirectory(async (directory) => {
    const agents = bareAgents({ ...options, replay: () => (options.load ? lastMessages : []) });
    const file = await prepared(directory, 'resume', events, agents);
    const lastMessages = await newestMessages(file);
    const tiers = new Set();
    const ms = await between(21, async () => {
      const database = await openNodeSqlite(file);
      const host = await createHost({ database, agents });
      const { ms, value: report } = await busy(() => host.resume(SESSION));
      tiers.add(report.tier);
      await host.sleep();
      await database.close();
      return ms;
    });
    return { ms, tier: [...tiers].join() };
  });

/** What an agent that caps its replay would send: the last few messages of the log, whole. */
async function newestMessages(file) {
  const bare = openBare(file);
  const rows = bare.prepare(`SELECT turn_id, payload FROM acp_session_events WHERE kind = 'update' ORDER BY seq DESC LIMIT 80`).all();
  bare.close();
  const messages = [];
  for (const { payload } of rows.toReversed()) {
    const update = JSON.parse(payload);
    const last = messages.at(-1);
    if (last?.sessionUpdate === update.sessionUpdate) last.content.text += update.content.text;
    else messages.push(update);
  }
  return messages.slice(messages[0]?.sessionUpdate === 'user_message_chunk' ? 0 : 1);
}

/** How much the heap grew while `chunks` streamed, in megabytes. */
const heapGrowth = (chunks) =>
  inDirectory(async (directory) => {
    v8.setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc');
    const database = await openNodeSqlite(path.join(directory, 'memory.sqlite'));
    const heap = [];
    const look = () => {
      gc();
      heap.push(process.memoryUsage().heapUsed / 2 ** 20);
    };
    const agents = bareAgents({ chunks: () => chunks });
    const host = await createHost({ database, agents });
    await host.create(CREATE);
    const over = host.prompt(SESSION, 'stream');
    for await (const event of host.events(SESSION)) {
      if (event.kind === 'turn_ended') break;
      // The first tenth fills the caches.
      if (heap.length === 0 && Number(/chunk (\d+) [^\d]*$/.exec(event.payload.content?.text ?? '')?.[1]) >= chunks / 10) look();
    }
    await over;
    look();
    await host.sleep();
    await database.close();
    return heap[1] - heap[0];
  });

export async function run() {
  const spoken = await appendRatio(10_000, { paced: true, messages: true });
  const poured = await appendRatio(10_000, { messages: true });
  const { costs, transcripts } = await appendCosts([1_000, 1_000_000], 2_000);
  const results = [
    {
      what: `10 000 updates streamed one at a time, durable, after 100 000 to warm up, against bare inserts of their rows in as many transactions (${spoken.transactions})`,
      ratio: round(spoken.ratio),
      target: 1.25,
    },
    {
      what: `10 000 updates as fast as they can be read, the same way (${poured.transactions} transactions)`,
      ratio: round(poured.ratio),
      target: 1.25,
    },
    { what: 'an append at 1 000 000 events against one at 1 000', ratio: round(costs[1] / costs[0]), target: 1.1 },
    { what: 'a 64 KiB transcript of 1 000 000 events against one of 1 000', ratio: round(transcripts[1] / transcripts[0]), target: 1.5 },
    { what: 'a 64 KiB transcript of 1 000 000 events', value: round(transcripts[1]), unit: 'ms', target: 25 },
  ];
  for (const [options, events, target] of [
    [{ resume: true }, 0, 3],
    [{ load: true }, 0, 3],
    [{}, 1_000, 15],
    [{ resume: true }, 100_000, 6],
    [{ load: true }, 100_000, 6],
    [{}, 100_000, 15],
  ]) {
    const { ms, tier } = await resumeOverhead(options, events);
    results.push({
      what: `a resume by tier ${tier}, with an agent that answers at once and ${events === 0 ? 'a short log' : `${events.toLocaleString('en').replaceAll(',', ' ')} events`}`,
      value: round(ms),
      unit: 'ms',
      target,
    });
  }
  results.push({ what: 'heap growth while 200 000 chunks stream', value: round(await heapGrowth(200_000), 1), unit: 'MiB', target: 8 });
  return { name: 'engine', results };
}

if (import.meta.main) console.table((await run()).results);
