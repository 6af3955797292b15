/**
 * Search in a long record on Node: the first search of all, which makes the index, and the ones after it.
 *
 *   node tests/bench/search.mjs            EVENTS=100000 for a shorter record
 */
import path from 'node:path';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../src/engine/index.ts';
import { bareAgents } from './engine/agent.mjs';
import { inDirectory, lengthen } from './engine/database.mjs';

const EVENTS = Number(process.env.EVENTS ?? 1_000_000);
const WORDS = ['Question 7', 'part 123', 'matter hand', 'answer while goes'];
const ROUNDS = 25;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => Number(value.toFixed(2));

export const run = () =>
  inDirectory(async (directory) => {
    const file = path.join(directory, 'search.sqlite');
    let database = await openNodeSqlite(file);
    let host = await createHost({ database, agents: bareAgents() });
    const { sessionId } = await host.create({ agent: 'bare', cwd: '/tmp' });
    await host.sleep();
    await database.close();
    lengthen(file, sessionId, EVENTS);
    database = await openNodeSqlite(file);
    host = await createHost({ database, agents: bareAgents() });
    const timed = async (words) => {
      const began = performance.now();
      const { hits } = await host.search(words);
      if (hits.length === 0) throw new Error(`“${words}” was not found.`);
      return performance.now() - began;
    };
    const first = await timed(WORDS[0]);
    const times = [];
    for (let i = 0; i < ROUNDS; i++) times.push(await timed(WORDS[i % WORDS.length]));
    await host.sleep();
    await database.close();
    const name = EVENTS.toLocaleString('en').replaceAll(',', ' ');
    return {
      name: 'search',
      results: [
        { what: `a search of ${name} events, after the first: median`, value: round(median(times)), unit: 'ms', target: 50 },
        { what: 'the same: slowest', value: round(Math.max(...times)), unit: 'ms' },
        {
          what: 'the first one, which makes the index: a million events would take',
          value: round((first / 1000) * (1e6 / EVENTS)),
          unit: 's',
        },
      ],
    };
  });

if (import.meta.main) console.table((await run()).results);
