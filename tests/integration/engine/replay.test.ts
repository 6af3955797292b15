/** I3: exactly once in the log, however the agent replays; I11: nothing live is swallowed. */
import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import type { AgentVariant } from '../../../src/testing/agents/index.ts';
import { CWD, said, world } from './helpers.ts';

/** Messages as the log tells them: role and text, chunks joined. */
function messages(events: readonly SessionEvent[]): string[] {
  const told: string[] = [];
  let last = '';
  for (const event of events) {
    if (event.kind !== 'update') continue;
    const update = event.payload;
    if (update.sessionUpdate !== 'user_message_chunk' && update.sessionUpdate !== 'agent_message_chunk') continue;
    const who = `${event.turnId} ${update.sessionUpdate}`;
    const text = update.content.type === 'text' ? update.content.text : `[${update.content.type}]`;
    if (who === last) told[told.length - 1] += text;
    else told.push(`${update.sessionUpdate === 'user_message_chunk' ? 'user' : 'agent'}: ${text}`);
    last = who;
  }
  return told;
}

describe('I3: a replay never adds a row twice', () => {
  it.each(['load', 'late', 'other-chunks', 'no-message-ids', 'duplicate-replay', 'capped', 'replays-on-resume', 'unknown-kinds', 'answers-twice', 'garbage'] as readonly AgentVariant[])(
    'through four wakes of the %s agent',
    async (variant) => {
      const { wake } = await world(variant);
      const first = await wake();
      await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
      const prompts = ['My name is Ada.', 'list files', 'Remember that the door code is 4711.', 'My name is Ada.', 'stream 30 chunks'];
      for (const text of prompts) await first.prompt('s', text);
      let told = messages(await first.history('s'));
      expect(told.filter((line) => line.startsWith('user'))).toHaveLength(prompts.length);
      await first.sleep();
      for (let round = 0; round < 4; round++) {
        const host = await wake();
        const { report, turnId } = await host.prompt('s', `What is my name? ${round}`);
        const after = messages(await host.history('s'));
        expect(after.slice(0, told.length), JSON.stringify(report, null, 1)).toEqual(told);
        expect(after.slice(told.length).map((line) => line.split(':')[0])).toEqual(['user', 'agent']);
        expect(said(await host.history('s'), turnId)).toContain('Ada');
        expect(report.replay?.imported ?? 0).toBe(0);
        told = after;
        await host.sleep();
      }
    },
  );

  it('a turn that happened in another client is imported, once', async () => {
    const { wake } = await world('foreign-turns');
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'My name is Ada.');
    await first.sleep();
    const second = await wake();
    const { report } = await second.prompt('s', 'What do you remember?');
    expect(report.replay).toMatchObject({ matched: 2, missing: 0 });
    expect(report.replay?.imported).toBeGreaterThan(0);
    const imported = (await second.history('s')).filter((event) => event.origin === 'import');
    expect(imported.length).toBeGreaterThan(1);
    expect(new Set(messages(await second.history('s'))).size).toBe(messages(await second.history('s')).length);
    await second.sleep();
    const third = await wake();
    await third.prompt('s', 'And now?');
    const again = (await third.history('s')).filter((event) => event.origin === 'import');
    // The agent adds a turn at each of its starts; what was imported before is not imported again.
    const texts = messages(again);
    expect(texts.slice(0, messages(imported).length)).toEqual(messages(imported));
    expect(new Set(again.map((event) => JSON.stringify(event.payload))).size).toBe(again.length);
  });

  it('verifies: whole, partial, empty', async () => {
    for (const [variant, verified] of [['load', 'replay-matched'], ['capped', 'replay-partial'], ['native', 'listed']] as const) {
      const { wake } = await world(variant);
      const first = await wake();
      await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
      for (const text of ['My name is Ada.', 'My dog is called Rex.', 'Thank you.']) await first.prompt('s', text);
      await first.sleep();
      const { report } = await (await wake()).prompt('s', 'What is my name?');
      expect([variant, report.verified, JSON.stringify(report.replay)]).toEqual([variant, verified, expect.any(String)]);
    }
  });

  it('a successor that replays its preamble is recognised: the record is not told twice', async () => {
    const { wake, agents } = await world('load');
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'My name is Ada.');
    await first.sleep();
    const second = await wake({ policy: 'transcript' });
    expect((await second.prompt('s', 'What is my name?')).report.tier).toBe('transcript');
    const told = messages(await second.history('s'));
    await second.sleep();
    const third = await wake();
    const { report } = await third.prompt('s', 'Again: what is my name?');
    expect(report, JSON.stringify(report)).toMatchObject({ tier: 'load', verified: 'replay-matched', replay: { matched: 2, missing: 0, imported: 0 } });
    expect(messages(await third.history('s')).slice(0, told.length)).toEqual(told);
    expect(agents.launched).toBe(3);
  });
});
