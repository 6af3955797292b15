/**
 * The pure parts by themselves, without a database: what a transcript costs as the log grows, and what matching a
 * replay costs as the replay, and the log behind it, grow.
 *
 *   node tests/bench/transcript.mjs
 */
import { createReplayMatcher } from '../../src/engine/resume/match.ts';
import { renderTranscriptRecord } from '../../src/engine/transcript/render.ts';

const ROUNDS = 15;
const PAGE = 256;
const SECRETS = Array.from({ length: 8 }, (_, i) => ({ name: `SECRET_${i}`, value: `not-in-the-text-${i}` }));

const round = (value) => Number(value.toFixed(2));
/** Milliseconds of processor time: other programs on the machine do not count. */
const timed = async (work) => {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

/** Each of the works in turn, and the fastest round of each in milliseconds: the one that the rest of the machine disturbed least. */
async function sideBySide(...works) {
  const times = works.map(() => []);
  for (let i = 0; i < ROUNDS; i++) {
    for (const [j, work] of works.entries()) {
      const ms = await timed(work);
      if (i > 1) times[j].push(ms);
    }
  }
  return times.map((values) => Math.min(...values));
}

/** One turn is ten events: a question, chunks of an answer, a tool call, an end. */
function eventAt(seq) {
  const at = seq % 10;
  const event = { seq, turnId: `t${Math.floor(seq / 10)}`, at: 0, origin: at < 2 ? 'host' : 'agent' };
  const update = (sessionUpdate, text) => ({ ...event, kind: 'update', payload: { sessionUpdate, content: { type: 'text', text } } });
  if (at === 0) return { ...event, kind: 'turn_started', payload: {} };
  if (at === 1) return update('user_message_chunk', `Question ${seq} about the matter at hand, and what to do about it`);
  if (at === 5)
    return {
      ...event,
      kind: 'update',
      payload: {
        sessionUpdate: 'tool_call',
        toolCallId: `c${seq}`,
        title: 'npm test',
        kind: 'execute',
        status: 'completed',
        rawOutput: 'ok '.repeat(60),
      },
    };
  if (at === 9) return { ...event, kind: 'turn_ended', payload: { state: 'completed', stopReason: 'end_turn' } };
  return update('agent_message_chunk', `part ${seq} of an answer that goes on for a while, with \`code\` and more. `);
}

function* newestFirst(events) {
  for (let end = events; end > 0; end -= PAGE) {
    const page = [];
    for (let seq = end; seq > Math.max(0, end - PAGE); seq--) page.push(eventAt(seq));
    yield page;
  }
}

const transcript = (events) => () => renderTranscriptRecord(newestFirst(events), { budget: 64 * 1024, secrets: SECRETS });

/** The last `turns` of a log, as an agent replays them: whole messages. */
function replayOf(events, turns) {
  const updates = [];
  const last = Math.floor(events / 10);
  for (let turn = last - turns; turn < last; turn++) {
    updates.push(eventAt(turn * 10 + 1).payload);
    const said = [2, 3, 4, 6, 7, 8].map((at) => eventAt(turn * 10 + at).payload.content.text).join('');
    updates.push({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: said } });
  }
  return updates;
}

function matching(events, turns, times = 1) {
  const updates = replayOf(events, turns);
  // What is read of the log is made before: to make it costs as much as to match it.
  const pages = newestFirst(events);
  const log = Array.from({ length: Math.min(events, turns * 10 + 2 * PAGE) / PAGE }, () => pages.next().value);
  return async () => {
    for (let i = 0; i < times; i++) await matchOnce(events, log, updates);
  };
}

async function matchOnce(events, log, updates) {
  const matcher = createReplayMatcher({ log, countBefore: async (seq) => Math.floor(seq / 10) * 2 });
  for (const update of updates) matcher.take(update);
  const { matched, imported } = await matcher.end();
  if (matched < updates.length || imported.length > 0)
    throw new Error(`matched ${matched} of ${updates.length}, imported ${imported.length}`);
}

/** An answer of so many chunks under ids that `idOf` gives, in the log and in the replay as it streamed. */
function matchingChunks(count, idOf) {
  const update = (text, messageId) => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, messageId });
  const question = { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'Tell me all of it' } };
  const updates = [question, ...Array.from({ length: count }, (_, i) => update(`word ${i} `, idOf(i)))];
  const events = updates.map((payload, i) => ({
    seq: i + 1,
    turnId: 't',
    at: 0,
    origin: i === 0 ? 'host' : 'agent',
    kind: 'update',
    payload,
  }));
  events.push({ seq: count + 2, turnId: 't', at: 0, origin: 'host', kind: 'turn_ended', payload: { state: 'completed' } });
  const newest = events.toReversed();
  return async (times = 1) => {
    for (let i = 0; i < times; i++) {
      const matcher = createReplayMatcher({ log: [newest] });
      for (const one of updates) matcher.take(one);
      const { matched, missing } = await matcher.end();
      if (matched !== 2 || missing !== 0) throw new Error(`matched ${matched} of 2`);
    }
  };
}

/** Ten times as many chunks against ten times the work: 1 where it is linear. */
async function chunkRows() {
  const rows = [];
  for (const [name, idOf] of [
    ['under one id', () => 'a'],
    ['under two ids by turns', (i) => `a${i % 2}`],
    ['under a thousand ids', (i) => `a${i % 1_000}`],
  ]) {
    const [few, many] = [matchingChunks(2_000, idOf), matchingChunks(20_000, idOf)];
    const [ten, one] = await sideBySide(() => few(10), many);
    rows.push({ what: `matching an answer of 20 000 chunks ${name} against ten of 2 000`, ratio: round(one / ten), target: 1.5 });
    rows.push({ what: 'the same, in milliseconds', value: round(one), unit: 'ms', target: 100 });
  }
  return rows;
}

export async function run() {
  const [small, large] = await sideBySide(transcript(1_000), transcript(1_000_000));
  const [few, many] = await sideBySide(matching(100_000, 500), matching(100_000, 5_000));
  const [short, long] = await sideBySide(matching(10_000, 20, 40), matching(1_000_000, 20, 40));
  const perReplay = long / 40;
  return {
    name: 'transcript',
    results: [
      {
        what: 'a 64 KiB transcript of a million events against one of a thousand, without a database',
        ratio: round(large / small),
        target: 1.5,
      },
      { what: 'the same, in milliseconds', value: round(large), unit: 'ms', target: 25 },
      { what: 'matching a replay of 10 000 messages against ten times one of 1 000', ratio: round(many / (10 * few)), target: 1.5 },
      { what: 'the same, in milliseconds', value: round(many), unit: 'ms', target: 100 },
      ...(await chunkRows()),
      {
        what: 'matching the last 40 messages in a log of a million events against one of ten thousand',
        ratio: round(long / short),
        target: 1.5,
      },
      { what: 'the same, in milliseconds', value: round(perReplay), unit: 'ms', target: 5 },
    ],
  };
}

if (import.meta.filename === process.argv[1]) console.table((await run()).results);
