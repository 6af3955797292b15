/** What a person says, answers, stops and breaks, and what tabs ask of each other. */
import { computed, signal } from '@preact/signals';
import type { CreateOptions, Host, ResumePolicy, ResumeReport } from '../../src/engine/index.ts';
import { randomId } from '../../src/engine/random-id.ts';
import { isBridged } from '../platform/bridge-prefix.ts';
import type { TabMessage } from '../platform/index.ts';
import type { TurnResult } from '../scenarios/types.ts';
import { TAB_CWD } from './agents.ts';
import { when } from './pace.ts';
import type { Page } from './page.ts';
import { hasPromptAfter, lastReply } from './session.ts';
import { failedResume, failureOf, type Failure } from './words.ts';

export interface Consent {
  readonly file: string;
  readonly events: number;
  readonly agent: string;
  readonly cwd: string;
  readonly answer: (send: boolean) => void;
}

const UNSENT = {
  kept: 'The prompt was not sent, and the file’s conversation stays here.',
  elsewhere: 'The prompt was not sent, because another session was chosen first.',
  cancelled: 'The prompt was not sent: it was cancelled before the session was live.',
};

export type Turns = ReturnType<typeof createTurns>;

export function createTurns(page: Page) {
  const { agents, choice, databases, host, lesson, moves, notices, platform, ready, sending, session, timeline, visits } = page;
  const draft = signal('');
  /** A file's conversation is about to go behind the bridge. */
  const consent = signal<Consent | null>(null);
  const way = signal<{ readonly text: string; readonly after: number } | null>(null);
  /** Not in the log yet. */
  const unsent = computed(() => (way.value && !hasPromptAfter(session.live.value, way.value.after) ? way.value.text : null));
  let starting: Starting | null = null;
  page.ends.push(() => consent.value?.answer(false));

  /** As chosen when Send was pressed. */
  const addressee = () => ({
    move: moves.now,
    agent: choice.agent.value,
    cwd: agents.named(choice.agent.value)?.cwd ?? TAB_CWD,
    scenario: choice.scenario.value.name,
    policy: choice.policy.value,
  });

  type Addressee = ReturnType<typeof addressee>;

  function stillAt({ move }: Addressee): void {
    if (move !== moves.now) throw new Error(UNSENT.elsewhere);
  }

  async function starts<T>(run: (mine: Starting) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const stopped = new Promise<never>((_, reject) => stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error)));
    stopped.catch(() => undefined);
    const mine: Starting = (starting = { stop, until: (work) => Promise.race([stopped, work]), creating: null });
    try {
      return await run(mine);
    } catch (error) {
      // In the words of whoever stopped it.
      stop.signal.throwIfAborted();
      throw error;
    } finally {
      if (starting === mine) starting = null;
    }
  }

  async function ensureSession(awake: Host, to: Addressee, mine: Starting): Promise<string> {
    stillAt(to);
    if (session.id.value !== null) return session.id.value;
    const sessionId = `${to.scenario}-${randomId().slice(0, 6)}`;
    session.creating.value = sessionId;
    mine.creating = create(awake, { agent: to.agent, cwd: to.cwd, sessionId, signal: mine.stop.signal }, to);
    await mine.creating.finally(() => (session.creating.value = mine.creating = null));
    session.id.value = sessionId;
    visits.trust(databases.branch.value, sessionId);
    page.rememberPlace();
    return sessionId;
  }

  /** If the page has gone elsewhere, nobody has said anything in it. */
  async function create(awake: Host, options: CreateOptions & { sessionId: string }, to: Addressee): Promise<void> {
    await awake.create(options);
    if (to.move !== moves.now) await awake.delete(options.sessionId);
    stillAt(to);
  }

  /** The policy for any client's prompt. Rejects when it may not be sent: a file's session goes behind the bridge only after the person said so, once. */
  async function admit(sessionId: string, policy = choice.policy.value): Promise<ResumePolicy> {
    const branch = databases.branch.value;
    const file = visits.fileOf(branch);
    // The session's own agent gets the prompt, whichever is chosen.
    const info = await databases.reader!.get(sessionId);
    const agent = isBridged(info.agent) ? agents.named(info.agent) : null;
    // The launcher tells of one that is not there.
    if (file && agent && !file.sent.includes(sessionId)) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      consent.value = { file: file.name, events: info.latestSeq - info.firstSeq + 1, agent: agent.name, cwd: agent.cwd, answer: resolve };
      const send = await promise;
      consent.value = null;
      if (!send) throw new Error(UNSENT.kept);
      visits.trust(branch, sessionId);
    }
    // In a fork the agent's own session belongs to the main line.
    const fork = visits.branches.find(({ name }) => name === branch);
    const isForeign = fork?.sessionId === sessionId && fork.agentSessionId !== null && fork.agentSessionId === info.agentSessionId;
    return isForeign ? 'transcript' : policy;
  }

  /** A failed resume leaves nothing in the log. */
  function keepFailure(error: unknown): void {
    const failure = failedResume(error);
    const sessionId = session.id.value;
    if (!failure) return;
    session.failures.value = [...session.failures.value, failure];
    session.foundLive.value = false;
    if (sessionId !== null) visits.failed(databases.branch.value, sessionId, failure);
  }

  /** A turn of either client. At another place than `at` it is no failure of what is shown, and ticks no step. */
  async function take(
    kind: 'send' | 'ask',
    what: string,
    run: (at: { move: number }) => Promise<ResumeReport>,
    reply: () => string,
  ): Promise<TurnResult> {
    notices.clear();
    sending.value = true;
    const at = { move: moves.now };
    let report: ResumeReport | null = null;
    let error: Failure | null = null;
    try {
      report = await run(at);
    } catch (caught) {
      notices.show(caught);
      if (at.move === moves.now) keepFailure(caught);
      error = failureOf(caught);
    }
    // A host still holds what it could not write.
    if (error?.code === 'storage_full') await host.sleep().catch(notices.show);
    await session.settle();
    sending.value = false;
    way.value = null;
    const result = { what, report, reply: reply(), error };
    if (at.move === moves.now) await lesson.tell({ kind, ...result });
    return result;
  }

  async function say(text: string): Promise<TurnResult & { readonly stored: boolean }> {
    let after = session.live.value.lastSeq;
    way.value = { text, after };
    let to = addressee();
    let sent = false;
    const run = async (at: { move: number }): Promise<ResumeReport> => {
      const { awake, sessionId, policy } = await starts(async (mine) => {
        if (!ready.value) {
          await mine.until(page.opened);
          const { agent } = to;
          to = addressee();
          at.move = to.move;
          // Nothing goes to a bridge found meanwhile that was meant for the tab.
          const now = agents.named(to.agent);
          if (agent !== to.agent && now?.where === 'bridge')
            throw new Error(
              `The prompt was not sent: the agent is now ${now.name}, behind your bridge. Send it again if it is for that one.`,
            );
        }
        await mine.until(when(() => !moves.going.value));
        after = session.live.value.lastSeq;
        way.value = { text, after };
        await timeline.close();
        const awake = await mine.until(host.wake());
        const sessionId = await ensureSession(awake, to, mine);
        const policy = await mine.until(admit(sessionId, to.policy));
        stillAt(to);
        mine.stop.signal.throwIfAborted();
        return { awake, sessionId, policy };
      }).catch((error: unknown) => {
        stillAt(to);
        throw error;
      });
      sent = true;
      const { report } = await awake.prompt(sessionId, text, { policy });
      if (to.move === moves.now) {
        session.foundLive.value = report.tier === 'live';
        host.dispatch({ type: 'came back', tier: report.tier });
      }
      return report;
    };
    const result = await take('send', text, run, () => lastReply(session.live.value));
    // The view is of another place.
    return { ...result, stored: to.move === moves.now ? hasPromptAfter(session.live.value, after) : sent };
  }

  return {
    draft,
    consent,
    unsent,
    admit,
    take,
    say,

    /** The page goes elsewhere: a session that is being created is gone when this resolves. */
    async leave(): Promise<void> {
      consent.value?.answer(false);
      if (!starting?.creating) return;
      starting.stop.abort(new Error(UNSENT.elsewhere));
      await starting.creating.catch(() => undefined);
    },

    async sendDraft(): Promise<void> {
      const text = draft.value;
      if (page.running.value || page.inPast.value) return;
      draft.value = '';
      const { error, stored } = await say(text);
      // Before what was written since.
      if (error && !stored) draft.value = draft.value === '' ? text : `${text}\n${draft.value}`;
    },

    async cancel(): Promise<void> {
      const sessionId = session.id.value;
      // There is no turn to cancel yet.
      if (starting) {
        consent.value?.answer(false);
        starting.stop.abort(new Error(UNSENT.cancelled));
      } else if (sessionId && session.elsewhere.value) platform.tabs.send({ type: 'cancel', sessionId });
      else if (sessionId) await notices.attempt(async () => host.host?.cancel(sessionId));
    },

    /** Null is “none of these”. */
    async answer(requestId: string, optionId: string | null): Promise<void> {
      const sessionId = session.id.value;
      const kind = session.live.value.permission?.options.find((one) => one.optionId === optionId)?.kind ?? 'reject';
      if (!sessionId) return;
      if (session.elsewhere.value) return platform.tabs.send({ type: 'answer', sessionId, requestId, optionId });
      await notices.attempt(async () => {
        await host.host?.respondPermission(sessionId, requestId, optionId);
        const answer = (['allow', 'reject'] as const).find((one) => kind.startsWith(one));
        if (answer) await lesson.tell({ kind: answer });
      });
    },

    async authenticate(methodId: string): Promise<void> {
      const agent = choice.agent.value;
      notices.problem.value = null;
      await notices.attempt(async () => (await host.wake()).authenticate(agent, methodId));
    },

    async createSession(): Promise<void> {
      const to = addressee();
      await when(() => !moves.going.value);
      await starts(async (mine) => ensureSession(await host.wake(), to, mine));
      await session.settle();
      await lesson.tell({ kind: 'create' });
    },
  };
}

/** What comes before a prompt and can be stopped: the page's start, waking, creating. */
interface Starting {
  readonly stop: AbortController;
  until<T>(work: Promise<T>): Promise<T>;
  creating: Promise<unknown> | null;
}

// ---- breaking it

export type Faults = ReturnType<typeof createFaults>;

export function createFaults(page: Page) {
  const { agents, choice, host, lesson, notices, platform, session } = page;

  async function sleep(): Promise<void> {
    await notices.attempt(() => host.sleep());
    await session.settle();
    if (host.host === null) await lesson.tell({ kind: 'sleep' });
  }

  const eachAgent = (how: 'kill' | 'drop') => async () => {
    const running = host.agentsOf(session.current());
    await notices.attempt(() => Promise.all(running.map((agent) => agent[how]())));
    await session.settle();
    if (running.length > 0) await lesson.tell({ kind: how });
  };

  return {
    canForget: computed(() => agents.named(choice.agent.value)?.where === 'tab'),
    sleep,
    kill: eachAgent('kill'),
    drop: eachAgent('drop'),

    async wake(): Promise<void> {
      await notices.attempt(() => host.wake());
      if (host.host !== null) await lesson.tell({ kind: 'wake' });
    },

    'forget-store': () =>
      notices.attempt(async () => {
        const agent = agents.named(choice.agent.value);
        if (agent?.where !== 'tab') return;
        await platform.tabAgents.forget(agent.name);
        notices.note.value = `The agent ${agent.name} has forgotten every session. The host’s record stays.`;
        await lesson.tell({ kind: 'forget-store' });
      }),

    /** Pressed again, it is disarmed. */
    async 'arm-crash'(): Promise<void> {
      host.crashArmed.value = !host.crashArmed.value;
      notices.note.value = host.crashArmed.value ? 'Armed: the agent dies at the first word of its next answer.' : null;
      if (host.crashArmed.value) await lesson.tell({ kind: 'arm-crash' });
    },

    takeOver(): void {
      const sessionId = session.id.value;
      if (!sessionId) return;
      platform.tabs.send({ type: 'give-up', sessionId });
      notices.problem.value = null;
      notices.note.value = 'The other tab was asked to release the session. Send the prompt again.';
    },

    hear(message: TabMessage): void {
      if (message.type === 'reset') {
        // What could not be let go of goes with the page.
        void page
          .dispose()
          .catch((error: unknown) => console.warn(error))
          .finally(() => platform.reload());
        return;
      }
      const { sessionId } = message;
      const live = host.host;
      if (!live) return;
      if (message.type === 'give-up') {
        if (sessionId === session.id.value) void sleep().then(() => (notices.note.value = 'Another tab took the session over.'));
      } else if (host.agentsOf(sessionId).length > 0) {
        void notices.attempt(() =>
          message.type === 'answer' ? live.respondPermission(sessionId, message.requestId, message.optionId) : live.cancel(sessionId),
        );
      }
    },
  };
}
