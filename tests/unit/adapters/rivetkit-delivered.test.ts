/** RivetKit's gateway may deliver an HTTP call twice, and calls come while an actor goes to sleep. */
import { expect, it } from 'vitest';
import { sessionActor } from '../../../src/adapters/rivetkit/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { actorDb } from './rivetkit-db.ts';

/** A session actor that is awake, as RivetKit calls it: each call with the ray id of its delivery. */
function actor(db = actorDb()) {
  const agents = inProcessLauncher();
  const definition = sessionActor({ db: {}, UserError: Error as never, agents });
  let slept = 0;
  const shared = {
    db,
    vars: definition.createVars(),
    broadcast: () => undefined,
    keepAwake: <T>(work: Promise<T>) => work,
    // As RivetKit does, once it acts on the first request.
    sleep: () => {
      if (slept++ > 0) throw new Error('actor is already shutting down');
    },
  };
  const calledBy = (ray: string | null) => {
    const request = new Request('http://actor/action/create', { headers: ray === null ? {} : { 'x-rivet-ray-id': ray } });
    return { ...shared, conn: { state: definition.createConnState({ request }) } };
  };
  return { ...definition, calledBy, agents, slept: () => slept };
}

it('a session that is made without an id is made once for all deliveries of a call, at the same time or later', async () => {
  const { actions, calledBy, onSleep, agents } = actor();
  const create = (ray: string | null) => actions.create(calledBy(ray), { agent: 'demo', cwd: '/' });
  const [one, again] = await Promise.all([create('a'), create('a')]);
  const ids = [one, again, await create('a'), await create('b'), await create(null)].map(({ sessionId }) => sessionId);
  expect([new Set(ids.slice(0, 3)).size, new Set(ids).size, agents.launched]).toEqual([1, 3, 3]);
  const fork = (ray: string) => actions.fork(calledBy(ray), ids[0]!);
  const forks = [await fork('c'), await fork('c'), await fork('d')].map(({ sessionId }) => sessionId);
  expect([forks[0] === forks[1], new Set(forks).size]).toEqual([true, 2]);
  expect((await actions.list(calledBy(null))).sessions).toHaveLength(5);
  await onSleep(calledBy(null));
});

it.each([true, false])(
  'I5: a call after an actor was put to sleep begins nothing in this life: it is called again (awake before: %s)',
  async (wasAwake) => {
    const { actions, calledBy, onSleep, agents } = actor();
    const c = calledBy(null);
    if (wasAwake) await actions.create(c, { agent: 'demo', cwd: '/', sessionId: 's' });
    // RivetKit has not stopped the actor yet.
    await actions.sleep(c);
    await expect(actions.prompt(c, 's', 'hello')).rejects.toMatchObject({ group: 'actor' });
    expect(agents.launched).toBe(wasAwake ? 1 : 0);
    await onSleep(c);
  },
);

it('an actor whose host cannot open is put to sleep all the same', async () => {
  const { actions, calledBy, slept } = actor(
    actorDb(() => {
      throw new Error('disk I/O error');
    }),
  );
  const c = calledBy(null);
  const [listed, asleep] = await Promise.allSettled([actions.list(c), actions.sleep(c)]);
  expect([listed.status, asleep.status, slept()]).toEqual(['rejected', 'rejected', 1]);
});

it('a call to sleep that comes when the actor is shutting down is answered like the first', async () => {
  const { actions, calledBy, onSleep, slept } = actor();
  const c = calledBy(null);
  await actions.create(c, { agent: 'demo', cwd: '/' });
  await actions.sleep(c);
  await actions.sleep(c);
  await onSleep(c);
  await actions.sleep(c);
  expect(slept()).toBe(1);
});
