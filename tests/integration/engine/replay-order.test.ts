/** I3 through a host: agents that replay our turns in another order, or stamped. */
import { describe, expect, it } from 'vitest';
import { CWD, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update, words } from './raw-agent.ts';

interface Turn {
  readonly asks: string;
  readonly answers: string;
}
const asked = (text: string): unknown => update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text } });
const both = ({ asks, answers }: Turn): unknown[] => [asked(asks), words(answers)];

/** It remembers every turn, and replays what `replay` makes of them. */
function remembering(replay: (turns: readonly Turn[]) => unknown[]) {
  const turns: Turn[] = [];
  return rawAgents((message, agent) => {
    if (message.method === undefined) return;
    if (message.method === 'session/load') agent.say(...replay(turns));
    if (message.method === 'session/prompt') {
      const asks = (message.params?.['prompt'] as { text?: string }[]).map(({ text }) => text ?? '').join('');
      turns.push({ asks, answers: told(asks) });
      agent.say(words(told(asks)));
    }
    agent.say(ordinary(message, { loadSession: true }));
  });
}

const told = (asks: string) => `You said “${asks}”, and I heard it.`;
const byName = (turns: readonly Turn[]) =>
  turns
    .map((turn, i) => ({ turn, name: String(i + 9) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ turn }) => turn);

describe('I3: nothing of ours is imported, at any of ten wakes', () => {
  it.each([
    ['by name, the turns numbered from 9', (turns: readonly Turn[]) => byName(turns).flatMap(both)],
    ['the first turn last', (turns: readonly Turn[]) => [...turns.slice(1), ...turns.slice(0, 1)].flatMap(both)],
    ['newest first', (turns: readonly Turn[]) => turns.toReversed().flatMap(both)],
    [
      'stamped, the last answer left out',
      (turns: readonly Turn[]) =>
        turns.flatMap(({ asks, answers }, i) => [
          asked(i > 0 ? `[12:0${i}] ${asks}` : asks),
          ...(i < turns.length - 1 ? [words(answers)] : []),
        ]),
    ],
  ])('%s', async (_, replay) => {
    const { wake } = await worldOf(remembering(replay));
    for (let i = 0; i < 10; i++) {
      const host = await wake();
      if (i === 0) await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
      const { report } = await host.prompt('s', `été ${i}`);
      const history = await host.history('s');
      expect(
        history.filter(({ origin }) => origin === 'import').map(({ payload }) => payload),
        `wake ${i}: ${JSON.stringify(report.replay)}`,
      ).toEqual([]);
      expect(history.filter(({ kind, payload }) => kind === 'update' && payload.sessionUpdate === 'user_message_chunk')).toHaveLength(
        i + 1,
      );
      if (i > 0) expect(report.tier).toBe('load');
      await host.sleep();
    }
  });
});
