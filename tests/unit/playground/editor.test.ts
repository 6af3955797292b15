/** A second client of the session, over ACP: what each of the two sees, and that the page's word holds for both. */
import { expect, it } from 'vitest';
import type { Playground } from '../../../playground/state/playground.ts';
import { free, open, withAgent } from './open-pages.ts';
import { newestReport } from '../../../playground/state/session.ts';

const shown = (pg: Playground): string[] =>
  pg.editor.view.value.items.flatMap((item) => ('pieces' in item ? [`${item.kind}: ${item.pieces.join('')}`] : []));

it('opens the session with all that was said, and each of the two sees what the other says', async () => {
  const pg = await open(free());
  await pg.turns.say('My cat is called Ada.');
  await pg.editor.open();
  expect(shown(pg)).toEqual(['user: My cat is called Ada.', expect.stringContaining('Noted.')]);
  // The agent that was started to say what it can do is not the one that is pictured.
  expect([pg.host.machine.value.agent, pg.host.machine.value.processes.length]).toEqual(['live', 1]);
  await pg.editor.ask('What is my cat called?');
  expect(shown(pg).at(-1)).toContain('Your cat: Ada');
  expect([pg.host.machine.value.agent, pg.host.machine.value.legs]).toEqual(['live', 4]);
  expect(pg.session.live.value.items.filter(({ kind }) => kind === 'user')).toHaveLength(2);
  await pg.turns.say('My dog is called Argos.');
  await expect.poll(() => shown(pg).join()).toContain('Noted. Your dog');
  expect(shown(pg).filter((line) => line.startsWith('user'))).toHaveLength(3);
});

it('is left behind by a host that sleeps, and finds everything again when it asks', async () => {
  const pg = await open(free());
  await pg.turns.say('My cat is called Ada.');
  await pg.editor.open();
  expect(pg.editor.here.value).toBe(true);
  await pg.faults.sleep();
  expect(pg.editor.here.value).toBe(false);
  await pg.editor.ask('What is my cat called?');
  expect([pg.editor.here.value, newestReport(pg.session.live.value)?.tier, shown(pg).length]).toEqual([true, 'resume', 4]);
  const { ms, agentMs } = newestReport(pg.session.live.value)!;
  expect(agentMs).toBeLessThanOrEqual(ms);
  // The agent that it was started with is the session's, and can be killed as any other.
  expect(pg.host.machine.value).toMatchObject({ agent: 'live', processes: [{ state: 'ended' }, { state: 'runs' }] });
  await pg.faults.kill();
  expect(pg.host.machine.value).toMatchObject({ agent: 'dead', processes: [{ state: 'ended' }, { state: 'died' }] });
});

it('asks by the policy that is chosen here, and says why it got no answer', async () => {
  const pg = await open(withAgent('amnesiac'));
  await pg.turns.say('My cat is called Ada.');
  await pg.faults.sleep();
  pg.navigation.choosePolicy('strict');
  await pg.editor.ask('What is my cat called?');
  expect(pg.notices.problem.value?.code).toBe('session_not_resumable');
  expect(pg.session.failures.value).toHaveLength(1);
  expect(shown(pg).filter((line) => line.startsWith('agent'))).toHaveLength(1);
});

it('does not take up in a fork what belongs to the main line', async () => {
  const pg = await open(free());
  await pg.turns.say('My cat is called Ada.');
  await pg.turns.say('My dog is called Argos.');
  await pg.timeline.refresh();
  await pg.branches.seek(pg.timeline.moments.value.findLastIndex(({ mark }) => mark === 'prompt'));
  await pg.branches.fork();
  await pg.editor.ask('What do you remember?');
  expect(newestReport(pg.session.live.value)?.tier).toBe('transcript');
});

it('has nothing to open before there is a session, and nothing of another one', async () => {
  const pg = await open(free());
  await pg.editor.open();
  expect(pg.notices.problem.value?.message).toContain('Send a prompt first');
  await pg.turns.say('My cat is called Ada.');
  await pg.editor.open();
  await pg.navigation.chooseSession(null);
  expect([pg.editor.here.value, shown(pg)]).toEqual([false, []]);
});

it('a version is chosen for any agent, and the session goes over from one to the other', async () => {
  const pg = await open(free());
  await pg.turns.say('My cat is called Ada.');
  await pg.navigation.chooseProtocol('v2');
  const { report, reply } = await pg.turns.say('What is my cat called?');
  expect(report?.tier).toBe('resume');
  expect(reply).toContain('Ada');
  expect(pg.host.machine.value.agent).toBe('live');
  await pg.navigation.chooseProtocol('v1');
  expect((await pg.turns.say('And now?')).report?.tier).toBe('resume');
  const versions = () =>
    pg.host.frames.value.flatMap(({ kind, method, message }) =>
      kind === 'request' && method === 'initialize'
        ? [(message as unknown as { params: { protocolVersion: number } }).params.protocolVersion]
        : [],
    );
  await expect.poll(versions).toEqual([1, 2, 1]);
});
