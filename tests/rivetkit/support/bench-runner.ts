/** A runner for the benchmarks: the engine on an actor's SQLite and on `node:sqlite`, in one process. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { actor, setup, UserError } from 'rivetkit';
import { db } from 'rivetkit/db';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { rivetkitDatabase, sessionActor } from '../../../src/adapters/rivetkit/index.ts';
import { createHost, type AgentLauncher, type SqlDatabase } from '../../../src/engine/index.ts';
// @ts-expect-error the benchmarks are plain JavaScript
import { bareAgents } from '../../bench/engine/agent.mjs';
// @ts-expect-error likewise
import { counting } from '../../bench/engine/database.mjs';

/** What an agent streams: text that is one message, or messages that are an event each, as tool calls are. */
export type Kind = 'text' | 'messages';

const agents = (chunks: number, kind: Kind = 'text'): AgentLauncher => {
  const bare = bareAgents({ resume: true, chunks: () => chunks }) as AgentLauncher;
  if (kind === 'text') return bare;
  return {
    async launch(spec, options) {
      const agent = await bare.launch(spec, options);
      let count = 0;
      type Message = { params?: { update?: { messageId?: string } } };
      const apart = new TransformStream<unknown, unknown>({
        transform(message, controller) {
          const update = (message as Message).params?.update;
          if (update) update.messageId = `m${++count}`;
          controller.enqueue(message);
        },
      });
      return { ...agent, stream: { ...agent.stream, readable: agent.stream.readable.pipeThrough(apart) as typeof agent.stream.readable } };
    },
  };
};
const pages = 'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size';

export interface Streamed {
  readonly ms: number;
  readonly events: number;
  readonly commits: number;
}

/** One turn of so many chunks; a first one warms up. */
async function stream(database: SqlDatabase, chunks: number, kind: Kind): Promise<Streamed> {
  const counted = counting(database);
  const host = await createHost({ database: counted, agents: agents(chunks, kind) });
  const { sessionId } = await host.create({ agent: 'bare', cwd: '/tmp' });
  await host.prompt(sessionId, 'warm up');
  const before = (await host.get(sessionId)).latestSeq;
  counted.batches.length = 0;
  const started = performance.now();
  await host.prompt(sessionId, 'stream');
  const ms = performance.now() - started;
  const commits = counted.batches.length;
  const events = (await host.get(sessionId)).latestSeq - before;
  await host.delete(sessionId);
  await host.sleep();
  return { ms, events, commits };
}

export const bench = actor({
  db: db({}),
  options: { actionTimeout: 600_000 },
  actions: {
    onRivetkit: (c, chunks: number, kind: Kind) => stream(rivetkitDatabase(c.db), chunks, kind),
    async onNode(_c, chunks: number, kind: Kind) {
      const directory = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-bench-'));
      const database = await openNodeSqlite(path.join(directory, 'node.sqlite'));
      try {
        return await stream(database, chunks, kind);
      } finally {
        await database.close();
        rmSync(directory, { recursive: true, force: true });
      }
    },
    /** Milliseconds for so many events written one by one, as streaming would without grouped writes. */
    async oneByOne(c, events: number) {
      const database = rivetkitDatabase(c.db);
      await database.batch([
        { sql: 'CREATE TABLE IF NOT EXISTS one (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT' },
        { sql: 'DELETE FROM one' },
      ]);
      const started = performance.now();
      for (let seq = 0; seq < events; seq++)
        await database.batch([{ sql: 'INSERT INTO one (seq, payload) VALUES (?, ?)', params: [seq, 'x'.repeat(120)] }]);
      return performance.now() - started;
    },
    /** Bytes that so many turns, of so many chunks each, take in the database, its free pages included; and an empty session's. */
    async bytes(c, turns: number, chunks: number) {
      const database = rivetkitDatabase(c.db);
      const size = async () => Number((await database.query(pages))[0]?.['bytes']);
      const host = await createHost({ database, agents: agents(chunks) });
      const { sessionId } = await host.create({ agent: 'bare', cwd: '/tmp' });
      const empty = await size();
      for (let turn = 0; turn < turns; turn++)
        await host.prompt(sessionId, `Question ${turn}, which is about as long as what people ask of an agent in a line or two of text.`);
      const full = await size();
      const { latestSeq } = await host.get(sessionId);
      await host.sleep();
      return { empty, turn: (full - empty) / turns, eventsATurn: latestSeq / turns };
    },
  },
});

/** Sessions as a deployment has them, with an agent inside the process, to see what the host alone takes. */
export const light = actor(sessionActor({ db: db({}), UserError, agents: agents(40), permission: 'allow', sleepTimeout: 600_000 }));

/** What this process holds. */
export const runner = actor({
  actions: {
    memory: () => {
      globalThis.gc?.();
      return process.memoryUsage().rss;
    },
  },
});

export const registry = setup({ use: { bench, light, runner }, noWelcome: true, startServices: false, logging: { level: 'error' } });
registry.start();
