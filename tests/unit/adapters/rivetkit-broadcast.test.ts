/** What an actor broadcasts when its database cannot be read for a moment, or a broadcast fails: nothing dies of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sessionActor, type EventsBroadcast, type SessionActorContext } from '../../../src/adapters/rivetkit/index.ts';
import type { Host, SessionEvent } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/in-process.ts';
import { actorDb } from './rivetkit-db.ts';

class UserError extends Error {}

/** An actor that is awake: what it said, what it logged, and faults to come. */
function awake() {
  const faults = { reads: 0, broadcasts: 0 };
  const said: EventsBroadcast[] = [];
  const logged: unknown[] = [];
  let served: Host | undefined;
  const definition = sessionActor({
    db: {},
    UserError,
    agents: inProcessLauncher(),
    permission: 'allow',
    serveAcp: (host) => {
      served = host;
      return { closed: Promise.resolve(), close: () => undefined };
    },
  });
  const context = {
    // The next reads of events fail while `faults` says so.
    db: actorDb((sql) => {
      if (!/FROM acp_session_events WHERE session_id = \? AND seq > \? AND seq < \?/.test(sql) || faults.reads === 0) return;
      faults.reads -= 1;
      throw new Error('disk I/O error');
    }),
    vars: definition.createVars(),
    broadcast(_name: string, message: EventsBroadcast) {
      if (faults.broadcasts > 0) {
        faults.broadcasts -= 1;
        throw new Error('the actor has no connections to speak of');
      }
      said.push(message);
    },
    request: new Request('http://actor/websocket/agents/a'),
    keepAwake: <T>(promise: Promise<T>) => promise,
    sleep: () => undefined,
    log: { error: (what: unknown) => void logged.push(what) },
  } satisfies SessionActorContext;
  /** What a client of the raw WebSocket does, it does to this host. */
  async function editor(): Promise<Host> {
    await definition.onWebSocket?.(context, {
      readyState: 1,
      send: () => undefined,
      close: () => undefined,
      addEventListener: () => undefined,
    });
    return served!;
  }
  return { actions: definition.actions, context, faults, said, logged, editor, sleep: () => definition.onSleep(context) };
}
const told = (messages: readonly EventsBroadcast[]) => messages.map(({ latestSeq }) => latestSeq);
const upTo = (last: number) => Array.from({ length: last - 1 }, (_, index) => index + 2);

describe('I2: an actor’s broadcasts', () => {
  let actor: ReturnType<typeof awake>;
  beforeEach(() => {
    actor = awake();
  });
  afterEach(() => actor.sleep());
  const start = () => actor.actions.create(actor.context, { sessionId: 's', agent: 'a', cwd: '/' });
  const last = async () => ((await actor.actions.history(actor.context, 's')) as SessionEvent[]).at(-1)!.seq;

  it('go on where they were when the record can be read again', async () => {
    actor.faults.reads = 1;
    await start();
    await expect.poll(() => actor.logged).toMatchObject([{ sessionId: 's', error: expect.stringContaining('disk I/O error') as string }]);
    await actor.actions.prompt(actor.context, 's', 'say hello');
    await expect.poll(() => told(actor.said).at(-1)).toBe(await last());
  });

  it('of which one fails leave nothing out', async () => {
    await start();
    actor.faults.broadcasts = 1;
    await actor.actions.prompt(actor.context, 's', 'say hello');
    const end = await last();
    await expect.poll(() => told(actor.said).at(-1)).toBe(end);
    expect(told(actor.said)).toEqual(upTo(end).slice(-actor.said.length));
    expect(actor.logged).toMatchObject([{ sessionId: 's', error: expect.stringContaining('no connections') as string }]);
  });

  it('that never succeed end with the actor', async () => {
    actor.faults.broadcasts = Infinity;
    await start();
    await actor.actions.prompt(actor.context, 's', 'say hello');
    await expect.poll(() => actor.logged.length).toBeGreaterThan(0);
    await actor.sleep();
    expect(actor.said).toEqual([]);
  });

  it('tell of what a client of the raw WebSocket does, in its own sessions and in others', async () => {
    await start();
    const editor = await actor.editor();
    await actor.sleep();
    Object.assign(actor.context.vars, { open: null, asleep: false });
    const woken = await actor.editor();
    expect(woken).not.toBe(editor);
    await woken.prompt('s', 'say hello');
    await expect.poll(() => told(actor.said).at(-1)).toBe(await last());
    const { sessionId } = await woken.create({ agent: 'a', cwd: '/' });
    await woken.prompt(sessionId, 'say hello');
    const { latestSeq } = await woken.get(sessionId);
    await expect.poll(() => actor.said.at(-1)).toEqual({ sessionId, latestSeq });
  });

  it('tell that a session was deleted, and of the next one of its id', async () => {
    await start();
    await actor.actions.prompt(actor.context, 's', 'say hello');
    await actor.actions.delete(actor.context, 's');
    await expect.poll(() => actor.said.at(-1)).toMatchObject({ sessionId: 's', deleted: true });
    await start();
    await expect.poll(() => actor.said.at(-1)).toEqual({ sessionId: 's', latestSeq: await last() });
  });
});
