/** The conversation: what a person says, answers and stops. */
import { computed, signal } from '@preact/signals';
import type { CreateOptions, Host } from '../../src/engine/index.ts';
import type { ResumePolicy, ResumeReport } from '../../src/engine/types.ts';
import type { Platform } from '../platform/index.ts';
import { BRIDGE_PREFIX } from '../platform/bridge-prefix.ts';
import { TAB_CWD, type Agents } from './agents.ts';
import { hasPromptAfter, lastReply } from './conversation.ts';
import type { DatabaseSession } from './database-session.ts';
import type { HostController } from './host-controller.ts';
import type { Choice, Moves } from './moves.ts';
import { codeOf, problemOf, type Notices } from './notices.ts';
import { when } from './pace.ts';
import { failedResume } from './report.ts';
import type { Fact, TurnResult } from './steps.ts';
import type { ShownSession } from './session.ts';
import type { Timeline } from './timeline.ts';
import type { Visits } from './visits.ts';
import { errorWords } from './words.ts';

export interface SayResult extends TurnResult {
  /** The prompt is in the log. */
  readonly stored: boolean;
}

/** What would go where, if the person says so. */
export interface Consent {
  readonly file: string;
  readonly events: number;
  readonly agent: string;
  readonly cwd: string;
  readonly answer: (send: boolean) => void;
}

/** Whom a prompt is for, as it was chosen when Send was pressed. */
interface Addressee {
  readonly move: number;
  readonly agent: string;
  readonly cwd: string;
  readonly scenario: string;
  readonly policy: ResumePolicy;
}

export interface TurnsNeeds {
  readonly agents: Agents;
  readonly choice: Choice;
  readonly databases: DatabaseSession;
  readonly host: HostController;
  readonly moves: Moves;
  readonly notices: Notices;
  readonly session: ShownSession;
  readonly tabs: Platform['tabs'];
  readonly timeline: Timeline;
  readonly visits: Visits;
  /** Resolves when the page has started; `ready` says whether it has. */
  readonly opened: Promise<void>;
  readonly ready: { readonly value: boolean };
  /** Something happened that a step may be about. */
  readonly tell: (fact: Fact) => Promise<void>;
  /** A session came to be here. */
  readonly onCreated: () => void;
}

const KEPT_HERE = 'The prompt was not sent: the conversation of the file stays here.';
const ELSEWHERE = 'The prompt was not sent: another session was chosen before it could be.';
const CANCELLED = 'The prompt was not sent: it was cancelled before the session was there.';

export class Turns {
  readonly draft = signal('');
  readonly sending = signal(false);
  /** A file's conversation that is about to go to an agent behind the bridge: the person decides. */
  readonly consent = signal<Consent | null>(null);
  /** The prompt that is on its way, and not in the log yet. */
  readonly unsent = computed(() => {
    const way = this.#way.value;
    return way && !hasPromptAfter(this.#needs.session.live.value, way.after) ? way.text : null;
  });
  readonly #needs: TurnsNeeds;
  readonly #way = signal<{ readonly text: string; readonly after: number } | null>(null);
  #starting: Starting | null = null;

  constructor(needs: TurnsNeeds) {
    this.#needs = needs;
  }

  /** The session that is being created. */
  get startingId(): string | null {
    return this.#starting?.sessionId ?? null;
  }

  /** The page goes to another session: one that is being created is gone before this resolves. */
  async leave(): Promise<void> {
    this.consent.value?.answer(false);
    await this.#starting?.leave(ELSEWHERE);
  }

  /** Sends what stands in the prompt box. */
  async sendDraft(): Promise<void> {
    const text = this.draft.value;
    if (this.sending.value) return;
    this.draft.value = '';
    // What was never sent goes back where it can be sent again.
    if ((await this.sendLine(text)) !== null && this.draft.value === '') this.draft.value = text;
  }

  /** Sends a prompt. Why it was not sent, or null: what was stored was sent, and the conversation tells what came of it. */
  async sendLine(text: string): Promise<string | null> {
    const { error, stored } = await this.say(text);
    return error && !stored ? error.message : null;
  }

  /** One turn. Wakes the host, creates the session and resumes it, as needed. */
  async say(text: string): Promise<SayResult> {
    const { agents, choice, databases, host, moves, notices, opened, ready, session, timeline } = this.#needs;
    // They spoke of the time before this prompt.
    notices.clear();
    this.sending.value = true;
    let after = session.live.value.lastSeq;
    this.#way.value = { text, after };
    let to = this.#addressee();
    let sent = false;
    let error: SayResult['error'] = null;
    let report: ResumeReport | null = null;
    const starting = (this.#starting = new Starting());
    try {
      if (!ready.value) {
        await starting.until(opened);
        const { agent } = to;
        to = this.#addressee();
        // The bridge was found while the page started: nothing goes to it that was meant for the tab.
        const now = agents.named(choice.agent.value);
        if (agent !== to.agent && now?.where === 'bridge')
          throw new Error(
            `The prompt was not sent: the agent is now ${now.name}, behind your bridge. Send it again if it is for that one.`,
          );
      }
      await starting.until(when(() => !moves.going.value));
      after = session.live.value.lastSeq;
      this.#way.value = { text, after };
      await timeline.close();
      const awake = await starting.until(host.wake());
      const sessionId = await this.#ensureSession(awake, to, starting);
      await starting.until(this.#consented(sessionId));
      this.#stillAt(to);
      starting.signal.throwIfAborted();
      this.#starting = null;
      sent = true;
      const result = await awake.prompt(sessionId, text, { policy: this.#policyNow(to) });
      report = result.report;
      if (to.move === moves.now) {
        session.report.value = report;
        host.dispatch({ type: 'report', report });
      }
    } catch (caught) {
      error = { code: codeOf(caught), message: errorWords(caught) };
      notices.problem.value = problemOf(caught);
      const failed = failedResume(caught, Date.now());
      if (failed && to.move === moves.now) session.failures.value = [...session.failures.value, failed];
      if (error.code === 'storage_full')
        await notices.attempt(async () => {
          await databases.goOnInMemory();
          await host.wake();
        });
    }
    if (this.#starting === starting) this.#starting = null;
    await session.settle();
    this.sending.value = false;
    this.#way.value = null;
    const view = session.live.value;
    // At another place the view tells nothing of this prompt.
    const stored = to.move === moves.now ? hasPromptAfter(view, after) : sent;
    const result: SayResult = { report, reply: lastReply(view), error, stored };
    if (to.move === moves.now) await this.#needs.tell({ kind: 'said', text, ...result });
    return result;
  }

  async cancel(): Promise<void> {
    const { host, notices, session, tabs } = this.#needs;
    const sessionId = session.id.value;
    // Before the prompt is sent there is no turn to cancel, and all the same something to stop.
    if (this.#starting) {
      this.consent.value?.answer(false);
      this.#starting.stop(CANCELLED);
    } else if (sessionId && session.elsewhere.value) tabs.send({ type: 'cancel', sessionId });
    else
      await notices.attempt(async () => {
        if (sessionId) await host.host?.cancel(sessionId);
      });
  }

  /** Answers the agent's question; null is “none of these”. */
  async answer(requestId: string, optionId: string | null): Promise<void> {
    const { host, notices, session, tabs, tell } = this.#needs;
    const sessionId = session.id.value;
    const kind = session.live.value.permission?.options.find((one) => one.optionId === optionId)?.kind ?? 'reject';
    const answer = (['allow', 'reject'] as const).find((one) => kind.startsWith(one)) ?? null;
    if (sessionId && session.elsewhere.value) tabs.send({ type: 'answer', sessionId, requestId, optionId });
    else
      await notices.attempt(async () => {
        if (sessionId) await host.host?.respondPermission(sessionId, requestId, optionId);
        await tell({ kind: 'answered', answer });
      });
  }

  async authenticate(methodId: string): Promise<void> {
    const { choice, host, notices } = this.#needs;
    const chosen = choice.agent.value;
    notices.problem.value = null;
    await notices.attempt(async () => (await host.wake()).authenticate(chosen, methodId));
  }

  /** The policy for a prompt of any client of the session that is shown; rejects when the person does not let it go. */
  async admit(sessionId: string): Promise<ResumePolicy> {
    await this.#consented(sessionId);
    return this.#policyNow(this.#addressee());
  }

  /** Creates the session without a prompt. */
  async createSession(): Promise<void> {
    const { host, moves, session } = this.#needs;
    const to = this.#addressee();
    await when(() => !moves.going.value);
    const starting = (this.#starting = new Starting());
    try {
      await this.#ensureSession(await host.wake(), to, starting);
    } finally {
      if (this.#starting === starting) this.#starting = null;
    }
    await session.settle();
    await this.#needs.tell({ kind: 'created' });
  }

  #addressee(): Addressee {
    const { agents, choice, moves } = this.#needs;
    return {
      move: moves.now,
      agent: choice.agent.value,
      cwd: agents.named(choice.agent.value)?.cwd ?? TAB_CWD,
      scenario: choice.scenario.value.name,
      policy: choice.policy.value,
    };
  }

  #stillAt(to: Addressee): void {
    if (to.move !== this.#needs.moves.now) throw new Error(ELSEWHERE);
  }

  async #ensureSession(host: Host, to: Addressee, starting: Starting): Promise<string> {
    const { databases, onCreated, session, visits } = this.#needs;
    this.#stillAt(to);
    const known = session.id.value;
    if (known !== null) return known;
    const sessionId = `${to.scenario}-${crypto.randomUUID().slice(0, 6)}`;
    await starting.creating(sessionId, this.#create(host, { agent: to.agent, cwd: to.cwd, sessionId, signal: starting.signal }, to));
    session.id.value = sessionId;
    visits.trust(databases.branch.value, sessionId);
    onCreated();
    return sessionId;
  }

  /** One that came to be although the page has gone elsewhere holds nothing that anybody said. */
  async #create(host: Host, options: CreateOptions & { sessionId: string }, to: Addressee): Promise<void> {
    await host.create(options);
    if (to.move !== this.#needs.moves.now) await host.delete(options.sessionId);
    this.#stillAt(to);
  }

  /** A session of a file goes to an agent behind the bridge only after the person said so, once. */
  async #consented(sessionId: string): Promise<void> {
    const { agents, databases, visits } = this.#needs;
    const branch = databases.branch.value;
    const file = visits.fileOf(branch);
    if (!file || file.sent.includes(sessionId)) return;
    // The session's own agent gets the prompt, whichever is chosen.
    const info = await databases.reader!.get(sessionId);
    const agent = info.agent.startsWith(BRIDGE_PREFIX) ? agents.named(info.agent) : null;
    // Of one that is not there the launcher says so.
    if (!agent) return;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.consent.value = { file: file.name, events: info.latestSeq, agent: agent.name, cwd: agent.cwd, answer: resolve };
    const send = await promise;
    this.consent.value = null;
    if (!send) throw new Error(KEPT_HERE);
    visits.trust(branch, sessionId);
  }

  /** In a fork the agent's own session belongs to the main line, until a successor has answered. */
  #policyNow({ policy }: Addressee): ResumePolicy {
    const { databases, session, visits } = this.#needs;
    const branch = visits.branches.find((one) => one.name === databases.branch.value);
    const info = session.live.value.info;
    const foreign = branch && info?.sessionId === branch.sessionId && info.agentSessionId === branch.agentSessionId;
    return foreign && branch.agentSessionId !== null ? 'transcript' : policy;
  }
}

/** What comes before a prompt: the page starts, the host wakes, a session is created. It can be stopped at any point. */
class Starting {
  readonly #abort = new AbortController();
  #creating: { readonly sessionId: string; readonly over: Promise<unknown> } | null = null;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The session that is being created. Its agent can be broken before there is a session. */
  get sessionId(): string | null {
    return this.#creating?.sessionId ?? null;
  }

  /** Waits no longer than until it is stopped. */
  async until<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stopped = () => reject(this.signal.reason as Error);
    this.signal.addEventListener('abort', stopped);
    if (this.signal.aborted) stopped();
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.signal.removeEventListener('abort', stopped);
    }
  }

  async creating<T>(sessionId: string, work: Promise<T>): Promise<T> {
    this.#creating = { sessionId, over: work };
    try {
      return await work;
    } finally {
      this.#creating = null;
    }
  }

  /** Stops it, for this reason. */
  stop(reason: string): void {
    this.#abort.abort(new Error(reason));
  }

  /** The page goes elsewhere. What was being created is gone before this resolves; what only waits goes on waiting. */
  async leave(reason: string): Promise<void> {
    if (!this.#creating) return;
    const { over } = this.#creating;
    this.stop(reason);
    await over.catch(() => undefined);
  }
}
