/** Whatever a person does, in whatever order and without waiting: the page comes to rest, and the next prompt is answered. */
import { expect, it } from 'vitest';
import type { Playground } from '../../../playground/state/playground.ts';
import { begin, free } from './open-pages.ts';
import { chosen } from './platform.ts';

const RUNS = process.env['FAULTS'] === 'full' ? 60 : 4;

/** The same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) >>> 0) / 2 ** 32;
}

const send = (pg: Playground, text: string): Promise<void> => {
  pg.turns.draft.value = text;
  return pg.turns.sendDraft();
};
type Pick = <T>(list: readonly T[]) => T;
/** What can be pressed, where it can be: a button that cannot be used yet is not pressed. */
const ACTIONS: Readonly<Record<string, (pg: Playground, pick: Pick) => unknown>> = {
  say: (pg) => send(pg, 'My cat is called Ada.'),
  count: (pg) => send(pg, 'Count to 30'),
  permission: (pg) => send(pg, 'Ask for permission'),
  allow: (pg) => {
    const open = pg.session.live.value.permission;
    return open && pg.turns.answer(open.requestId, open.options[0]!.optionId);
  },
  cancel: (pg) => pg.turns.cancel(),
  sleep: (pg) => pg.faults.sleep(),
  wake: (pg) => pg.ready.value && pg.faults.wake(),
  kill: (pg) => pg.faults.kill(),
  drop: (pg) => pg.faults.drop(),
  forget: (pg) => pg.faults['forget-store'](),
  crash: (pg) => pg.faults['arm-crash'](),
  scenario: (pg, pick) => pg.navigation.chooseScenario(pick(['free', 'native-resume', 'load-replay', 'two-clients', 'strict-policy'])),
  agent: (pg, pick) => pg.navigation.chooseAgent(pick(['native', 'load', 'amnesiac'])),
  protocol: (pg, pick) => pg.navigation.chooseProtocol(pick(['v1', 'v2'])),
  session: (pg, pick) => pg.navigation.chooseSession(pick([null, ...pg.session.list.value.map(({ sessionId }) => sessionId)])),
  over: (pg) => pg.navigation.startOver(),
  step: (pg) => pg.runner.busy.value || pg.runner.runNext(),
  editor: (pg) => pg.ready.value && pg.editor.open(),
  ask: (pg) => pg.ready.value && pg.session.id.value && pg.editor.ask('What is my cat called?'),
  seek: (pg, pick) => pg.branches.seek(pick([null, ...pg.timeline.moments.value.keys()])),
  now: (pg) => pg.branches.returnToNow(),
  fork: (pg) => pg.branches.fork(),
  branch: (pg, pick) => pg.branches.go(pick([null, ...pg.visits.branches.map(({ name }) => name)])),
  import: async (pg) => pg.branches.importDatabase(chosen(await pg.branches.exportBytes())),
};

for (let run = 1; run <= RUNS; run++)
  it(`in any order (${run})`, async () => {
    const random = randomFrom(run);
    const pick: Pick = (list) => list[Math.floor(random() * list.length)]!;
    const { pg, started } = begin(free());
    const done: string[] = [];
    const all: Promise<unknown>[] = [started];
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    for (let i = 0; i < 40; i++) {
      const name = pick(Object.keys(ACTIONS));
      done.push(name);
      // What cannot be done is said on the page, or by the button that was pressed.
      const work = Promise.resolve()
        .then(() => ACTIONS[name]!(pg, pick))
        .catch(() => undefined);
      all.push(work);
      const wait = random();
      if (wait < 0.3) await Promise.race([work, pause(400)]);
      else if (wait < 0.7) await pause(random() * 30);
    }
    let atRest = false;
    void Promise.all(all).then(() => (atRest = true));
    // What waits for an answer would wait for ever.
    for (let i = 0; i < 200 && !atRest; i++) {
      await pg.turns.cancel();
      await pause(50);
    }
    const { going } = pg.moves;
    const running = [atRest, pg.sending.value, going.value, pg.runner.running.value, pg.editor.prompting.value, pg.session.creating.value];
    expect(running, done.join(' ')).toEqual([true, false, false, false, false, null]);
    await pg.branches.returnToNow();
    pg.host.crashArmed.value = false;
    await pg.navigation.chooseScenario('free');
    await pg.navigation.chooseAgent('native');
    await pg.navigation.startOver();
    const { error } = await pg.turns.say('My cat is called Ada.');
    expect([error, pg.host.machine.value.agent], done.join(' ')).toEqual([null, 'live']);
  });
