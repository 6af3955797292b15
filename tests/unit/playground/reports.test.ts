/** The reports of every scripted agent against the log and the wire: what is told is what is stored, and what was asked. */
import { describe, expect, it } from 'vitest';
import type { Playground } from '../../../playground/state/playground.ts';
import { failedResume, turnEndWords, verdictOf, waysOf, type Told } from '../../../playground/state/words.ts';
import { RehydrateError } from '../../../src/engine/index.ts';
import { AGENT_VARIANTS } from '../../../src/testing/agents/index.ts';
import { free, open, reload, withAgent } from './open-pages.ts';

/** A turn to its end. An agent that hangs is killed when it does, as a person would. */
async function say(pg: Playground, text: string, hangs: boolean): Promise<void> {
  const turn = pg.turns.say(text);
  const kill = hangs ? setInterval(() => void pg.faults.kill(), 200) : undefined;
  await turn;
  clearInterval(kill);
}

const stored = async (pg: Playground): Promise<unknown[]> =>
  (await pg.databases.database!.query(`SELECT payload FROM acp_session_events WHERE kind = 'resumed' ORDER BY seq`)).map((row) =>
    JSON.parse(String(row['payload'])),
  );

const WAYS = ['session/resume', 'session/load'];

/** What the agent was asked, by the wire. */
const askedFor = (pg: Playground): string[] =>
  pg.host.frames.value.flatMap(({ kind, method }) => (kind === 'request' && WAYS.includes(method) ? [method] : []));

describe.each(AGENT_VARIANTS.map((name) => [name]))('the reports of %s', (name) => {
  it('are those of the log, also after a reload, and what they say was asked was asked', async () => {
    const platform = withAgent(name);
    const pg = await open(platform);
    const hangs = /^hang-|^garbage-only$/.test(name);
    await say(pg, 'My cat is called Ada.', hangs);
    await pg.faults.sleep();
    await say(pg, 'What is my cat called?', hangs);
    const { reports } = pg.view.value;
    expect(reports.map(({ report }) => report)).toEqual(await stored(pg));
    const all: readonly Told[] = [...reports, ...pg.session.failures.value].sort((a, b) => a.at - b.at);
    const tried = all.map((told) => waysOf(told).flatMap(({ attempt, method }) => (attempt && WAYS.includes(method) ? [method] : [])));
    // One that was asked and is told again, because the prompt disproved it, is asked once.
    await expect.poll(() => new Set(askedFor(pg))).toEqual(new Set(tried.flat()));
    for (const told of all) expect([verdictOf(told), waysOf(told).some(({ good }) => good)]).not.toEqual(['proved', false]);
    const failures = pg.session.id.value === null ? [] : pg.session.failures.value;
    const [again] = await reload(pg, platform);
    expect(again.view.value.reports).toEqual(reports);
    // What fails leaves nothing in the log, and is kept beside it; without a session there is nothing that it could be of.
    expect(again.session.failures.value).toEqual(failures);
  });
});

describe('a prompt that fails', () => {
  it('is no failed resume when a live agent refused it, and no agent is named as the engine does', () => {
    const refused = new RehydrateError('auth_required', 'Agent "bridge:mine" wants you to sign in first.', { turnId: 't' });
    expect(failedResume(refused)).toBeNull();
    expect(turnEndWords({ state: 'failed', error: refused })).toBe(
      'The agent answered with an error: Agent "mine" wants you to sign in first.',
    );
  });

  it('was not found live, whatever the one before was', async () => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    await pg.turns.say('What is my cat called?');
    expect(pg.session.foundLive.value).toBe(true);
    await pg.faults.kill();
    platform.tabAgents.launcher.launch = () => Promise.reject(new RehydrateError('agent_start_failed', 'No.', {}));
    await pg.turns.say('Are you there?');
    expect([pg.session.failures.value.length, pg.session.foundLive.value]).toEqual([1, false]);
  });
});
