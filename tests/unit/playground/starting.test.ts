/** Breaking and stopping a session that is still being created: there is an agent before there is a session. */
import { describe, expect, it } from 'vitest';
import type { Playground } from '../../../playground/state/playground.ts';
import { begin, open, withAgent } from './open-pages.ts';

/** Sends a first prompt to an agent that does not answer `session/new`, and waits until it is asked. */
async function stuck(): Promise<{ pg: Playground; turn: ReturnType<Playground['turns']['say']> }> {
  const pg = await open(withAgent('hang-new'));
  const turn = pg.turns.say('Are you there?');
  await expect.poll(() => pg.host.machine.value.stations['session/new']).toBe('trying');
  return { pg, turn };
}

async function nothingIsLeft(pg: Playground): Promise<void> {
  expect(pg.session.id.value).toBeNull();
  expect(pg.sending.value).toBe(false);
  expect(pg.session.creating.value).toBeNull();
  expect(await pg.databases.database!.query('SELECT session_id FROM acp_sessions')).toEqual([]);
}

describe('while a session is being created', () => {
  for (const [how, words] of [
    ['kill', 'SIGKILL'],
    ['drop', 'dropped by hand'],
  ] as const) {
    it(`${how} ends its agent, and the prompt is not sent`, async () => {
      const { pg, turn } = await stuck();
      await pg.faults[how]();
      const { error, stored } = await turn;
      expect([error?.code, stored]).toEqual(['agent_exited', false]);
      expect(error?.message).toContain(words);
      expect(pg.host.machine.value.agent).toBe('dead');
      await nothingIsLeft(pg);
    });
  }

  it('Cancel turn stops it: no agent, no session, and the prompt is given back', async () => {
    const pg = await open(withAgent('hang-new'));
    pg.turns.draft.value = 'Are you there?';
    const sent = pg.turns.sendDraft();
    await expect.poll(() => pg.host.machine.value.stations['session/new']).toBe('trying');
    await pg.turns.cancel();
    await sent;
    expect(pg.turns.draft.value).toBe('Are you there?');
    expect(pg.notices.problem.value?.message).toContain('was cancelled before the session was live');
    expect(['dead', 'asleep']).toContain(pg.host.machine.value.agent);
    await nothingIsLeft(pg);
  });

  it('what was written since stays, after the prompt that is given back', async () => {
    const pg = await open(withAgent('hang-new'));
    pg.turns.draft.value = 'Are you there?';
    const sent = pg.turns.sendDraft();
    await expect.poll(() => pg.host.machine.value.stations['session/new']).toBe('trying');
    pg.turns.draft.value = 'Or not?';
    await pg.faults.kill();
    await sent;
    expect(pg.turns.draft.value).toBe('Are you there?\nOr not?');
  });

  it('Cancel turn stops a prompt that waits for the page to start, and the next one is sent', async () => {
    const platform = withAgent('native');
    const opens = Promise.withResolvers<void>();
    const openDatabase = platform.openDatabase.bind(platform);
    platform.openDatabase = async (...of) => {
      await opens.promise;
      return openDatabase(...of);
    };
    const { pg, started } = begin(platform);
    pg.turns.draft.value = 'My cat is called Ada.';
    const sent = pg.turns.sendDraft();
    await pg.turns.cancel();
    await sent;
    expect([pg.turns.draft.value, pg.sending.value]).toEqual(['My cat is called Ada.', false]);
    opens.resolve();
    await started;
    await nothingIsLeft(pg);
    await pg.turns.sendDraft();
    expect(pg.notices.problem.value).toBeNull();
    expect(pg.session.live.value.items.filter((item) => item.kind === 'user')).toHaveLength(1);
  });

  it('choosing another scenario leaves nothing of it', async () => {
    const { pg, turn } = await stuck();
    await pg.navigation.chooseScenario('load-replay');
    const { error, stored } = await turn;
    expect([error?.message, stored]).toEqual([expect.stringContaining('another session was chosen'), false]);
    expect(pg.session.list.value).toEqual([]);
    await nothingIsLeft(pg);
    await pg.runner.runNext();
    expect(pg.lesson.progress.value[0]?.state).toBe('done');
  });

  it('one that is written just as another scenario is chosen is deleted again', async () => {
    const pg = await open(withAgent('native'));
    const database = pg.databases.database!;
    const batch = database.batch.bind(database);
    let gone: Promise<void> | undefined;
    Object.assign(database, {
      async batch(statements: Parameters<typeof batch>[0]) {
        const results = await batch(statements);
        if (statements[0]!.sql.startsWith('INSERT INTO acp_sessions')) gone ??= pg.navigation.chooseScenario('load-replay');
        return results;
      },
    });
    const { error, stored } = await pg.turns.say('My cat is called Ada.');
    await gone;
    expect([error?.message, stored]).toEqual([expect.stringContaining('another session was chosen'), false]);
    expect(pg.choice.scenario.value.name).toBe('load-replay');
    await nothingIsLeft(pg);
  });
});
