/**
 * I3, I11: a replay that comes in the turn, when the prompt was sent already, and holds what the log does not have: a turn of another client,
 * new at each wake, and the answer to a turn that was cut off.
 */
import { expect, it } from 'vitest';
import { CWD, PATIENT, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update } from './raw-agent.ts';

type Said = readonly [who: 'user' | 'agent', text: string];
const QUIET_MS = 60;
const limits = { ...PATIENT, replayQuietMs: QUIET_MS };

const cases = (['session/load', 'session/resume'] as const).flatMap((method) =>
  (['an echo', 'a silence', 'an echo, under ids'] as const).flatMap((parting) =>
    ([0, 10, 1_000] as const).map((heard) => ({ method, parting, heard })),
  ),
);
it.each(cases)('$method, parted from the answer by $parting, $heard letters of an answer heard', async ({ method, parting, heard }) => {
  /** What the agent remembers. */
  const kept: Said[] = [];
  let [lives, prompts] = [0, 0];
  let owed: Said[] = [];
  const tell = ([who, text]: Said, at: number) =>
    text.split(/(?<= )/).map((piece) =>
      update({
        sessionUpdate: `${who}_message_chunk`,
        content: { type: 'text', text: piece },
        ...(parting.endsWith('ids') ? { messageId: `m${at}` } : {}),
      }),
    );
  const { wake } = await worldOf(
    rawAgents((message, agent) => {
      if (message.method === 'initialize' && ++lives > 2) kept.push(['user', `Elsewhere ${lives}?`], ['agent', `There, number ${lives}.`]);
      if (message.method === method) {
        owed = kept.slice();
        // Of a load some of it comes in time.
        if (method === 'session/load') agent.say(...owed.splice(0, 2).flatMap(tell));
      }
      if (message.method !== 'session/prompt') {
        const does = method === 'session/load' ? { loadSession: true } : { sessionCapabilities: { resume: {} } };
        if (message.method) agent.say(ordinary(message, does));
        return;
      }
      const [asks, answer]: Said[] = [
        ['user', (message.params!['prompt'] as { text: string }[])[0]!.text],
        ['agent', `Answer number ${++prompts}, and no other.`],
      ];
      const base = kept.length - owed.length;
      agent.say(...owed.splice(0).flatMap((said, at) => tell(said, base + at)));
      if (parting !== 'a silence') agent.say(...tell(asks!, kept.length));
      kept.push(asks!, answer!);
      if (prompts === 2) return agent.say(...tell(['agent', answer![1].slice(0, heard)], kept.length - 1));
      setTimeout(() => agent.say(...tell(answer!, kept.length - 1), ordinary(message)), parting === 'a silence' ? 3 * QUIET_MS : 0);
    }),
  );
  let prompted = 0;
  for (let life = 1; life <= 5; life++) {
    const host = await wake({ limits });
    if (life === 1) await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const over = host.prompt('s', `Question ${++prompted}?`);
    if (life === 2) {
      // Until what was to be heard of the answer is in the log.
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      await host.sleep();
      await over.catch(() => undefined);
      continue;
    }
    const { turnId } = await over;
    const events = (await host.history('s')).flatMap((one) => (one.kind === 'update' ? [one] : []));
    const byTurn = Map.groupBy(events, (one) => one.turnId);
    const saidIn = (turn: string | null): string =>
      (byTurn.get(turn) ?? []).map(({ payload }) => (payload as { content?: { text?: string } }).content?.text ?? '').join('');
    const told = [...byTurn.keys()].map(saidIn).join('\n');
    for (const [, text] of kept) expect(told.split(text).length - 1, `${text} in life ${life}: ${told}`).toBe(1);
    expect(saidIn(turnId)).toBe(`Question ${prompted}?Answer number ${prompts}, and no other.`);
    expect(events.filter(({ origin, turnId }) => origin === 'import' && turnId === null).length > 0).toBe(life > 2);
    await host.sleep();
  }
});
