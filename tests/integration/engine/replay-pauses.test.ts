/**
 * I3, I11: whatever a replay brings when (some of it after the answer, with pauses, from another place on, all of it or its end once
 * more, with turns of other clients in it, among thoughts, tool calls and plans, in other white space and accents), the record has each
 * message of ours once and each of theirs once, whole, and each tool call once.
 */
import { expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import { CWD, PATIENT, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update, type RawAgent } from './raw-agent.ts';

const CASES = process.env['FAULTS'] === 'full' ? 1000 : 40;
const QUIET_MS = 25;
const limits = { ...PATIENT, replayQuietMs: QUIET_MS, replayMaxMs: 400 };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function randomly(seed: number) {
  let state = seed;
  const below = (count: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const pick = <T>(...from: readonly T[]): T => from[below(from.length)] as T;
  return { below, pick };
}

/** What an agent did beside its answer, and where. */
interface Beside {
  readonly before: readonly unknown[];
  readonly after: readonly unknown[];
}

const chunk = (who: 'user' | 'agent', text: string, messageId: string | undefined): unknown =>
  update({ sessionUpdate: `${who}_message_chunk`, content: { type: 'text', text }, ...(messageId ? { messageId } : {}) });

/** The ids of the tool calls, in order. */
const calls = (events: readonly SessionEvent[]): string[] =>
  events.flatMap(({ kind, payload }) => (kind === 'update' && payload.sessionUpdate === 'tool_call' ? [payload.toolCallId as string] : []));

/** What was said, role and words without white space: what one side said until the other spoke is one. */
function told(events: readonly SessionEvent[]): string {
  let last = '';
  return events
    .flatMap((event) => {
      if (event.kind !== 'update' || !/^(user|agent)_message_chunk$/.test(event.payload.sessionUpdate)) return [];
      const { sessionUpdate, content } = event.payload as { sessionUpdate: string; content: { text: string } };
      const begins = last === sessionUpdate ? '' : `\n${sessionUpdate.slice(0, 1)}:`;
      last = sessionUpdate;
      return [begins + content.text.normalize('NFD').replace(/\s+/g, '')];
    })
    .join('');
}

/** A session of several lives; gives what the record says, and what was said. Null where the record had to speak for the agent. */
async function live(seed: number): Promise<{ readonly said: unknown; readonly recorded: unknown; readonly how: string } | null> {
  const { below, pick } = randomly(seed);
  const ids = pick('none', 'stable', 'fresh', 'agent' as const);
  const form = pick('NFC', 'NFC', 'NFD');
  const methods = pick({ loadSession: true }, { loadSession: true }, { loadSession: true, sessionCapabilities: { resume: {} } });
  const turns: { readonly question: string; readonly answer: string; readonly beside: Beside }[] = [];
  const how: string[] = [`seed ${seed}, ids ${ids}, ${Object.keys(methods).length === 2 ? 'resume' : 'load'}`];
  let [count, lives] = [0, 0];
  let parts: readonly (readonly unknown[])[] = [];
  let isSaid: Promise<void> = Promise.resolve();

  const idOf = (turn: number, who: string) =>
    ids === 'none' || (ids === 'agent' && who === 'u') ? undefined : `${who}${turn}${ids === 'fresh' ? `-${lives}` : ''}`;
  const chunks = (who: 'user' | 'agent', text: string, turn: number): unknown[] => {
    const cut: unknown[] = [];
    for (let from = 0; from < text.length;) {
      const to = from + 3 + below(12);
      cut.push(chunk(who, text.slice(from, to), idOf(turn, who)));
      from = to;
    }
    return cut;
  };
  const beside = (turn: number): Beside => {
    const thought = { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: `Hm ${turn}` } };
    const call = { sessionUpdate: 'tool_call', toolCallId: `call${turn}`, title: 'Look', status: 'completed' };
    const did = pick<object[]>([], [call], [thought, call]).map((one) => update(one));
    return pick({ before: did, after: [] }, { before: [], after: did });
  };
  const answered = (turn: number, as = (text: string) => text): unknown[] => {
    const { answer, beside } = turns[turn]!;
    return [...beside.before, ...chunks('agent', as(answer), turn), ...beside.after];
  };
  const replay = (from: number): unknown[] =>
    turns.slice(from).flatMap(({ question }, i) => {
      const as = (text: string) => text.normalize(form).replaceAll(' ', pick(' ', '  ', '\n'));
      return [...chunks('user', as(question), from + i), ...answered(from + i, as)];
    });
  const sayParts = async (agent: RawAgent): Promise<void> => {
    for (const part of parts.slice(1)) {
      await pause(pick(0, 0, 3, 15, 60));
      agent.say(...part);
    }
  };
  const { wake } = await worldOf(
    rawAgents((message, agent) => {
      if (message.method === 'session/load' || message.method === 'session/resume') {
        lives++;
        agent.say(...(parts[0] ?? []), ordinary(message));
        isSaid = sayParts(agent);
        return;
      }
      if (message.method === 'session/prompt') {
        const question = (message.params!['prompt'] as { text: string }[]).map(({ text }) => text).join('');
        const answer = `Answer ${count} is ${pick('long and winding', 'là-bas', 'blue, and then some more words')}.`;
        turns.push({ question, answer, beside: beside(turns.length) });
        agent.say(...answered(turns.length - 1));
      }
      if (message.method) agent.say(ordinary(message, methods));
    }),
  );
  const ask = () => `Question ${++count} about ${pick('cats', 'dogs', 'the weather')}`;

  let host = await wake({ limits });
  await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
  for (let i = 1 + below(3); i > 0; i--) await host.prompt('s', ask());
  for (let wakes = 1 + below(3); wakes > 0; wakes--) {
    await host.sleep();
    const ours = turns.length;
    for (let i = below(3); i > 0; i--)
      turns.push({ question: `Elsewhere ${++count} asked`, answer: `There ${count} answered`, beside: beside(turns.length) });
    const from = pick(0, 0, 0, below(ours));
    const whole = replay(from);
    const cuts = [pick(whole.length, whole.length, 0, below(whole.length + 1))];
    while (cuts.at(-1)! < whole.length) cuts.push(cuts.at(-1)! + 1 + below(whole.length - cuts.at(-1)!));
    // What comes again begins with the first message, or under the same ids; else it could be what the user said again.
    const again =
      ids === 'none' || ids === 'agent'
        ? pick(null, null, from)
        : pick(null, null, from, from + below(turns.length - from), turns.length - 1);
    parts = [
      ...[0, ...cuts].slice(0, -1).map((start, i) => (i === 0 ? whole.slice(0, cuts[0]) : whole.slice(start, cuts[i]))),
      ...(again === null ? [] : [replay(again)]),
    ];
    how.push(
      `${turns.length} turns from ${from} in ${parts.map(({ length }) => length).join(' + ')}${again === null ? '' : `, again from ${again}`}`,
    );
    host = await wake({ limits });
    const { tier } = await host.resume('s');
    if (tier === 'transcript') return null;
    await isSaid;
    await pause(pick(0, 3 * QUIET_MS));
    for (let i = 1 + below(2); i > 0; i--) await host.prompt('s', ask());
  }
  const words = turns.map(({ question, answer }) => `\nu:${question}\na:${answer}`.normalize('NFD').replace(/ /g, '')).join('');
  const ran = turns.flatMap(({ beside }) => JSON.stringify(beside).match(/call\d+/g) ?? []);
  const events = await host.history('s');
  return { said: [words, ran.sort()], recorded: [told(events), calls(events).sort()], how: how.join('\n') };
}

it('a replay in pieces adds nothing twice and loses nothing', async () => {
  const seeds = Array.from({ length: CASES }, (_, i) => 1 + i * 7919);
  const lived = (await Promise.all(seeds.map(live))).filter((one) => one !== null);
  expect(lived.length).toBeGreaterThan(CASES / 2);
  for (const { said, recorded, how } of lived) expect(recorded, how).toEqual(said);
});
