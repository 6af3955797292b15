/** The conversation: what a person says, answers and stops. */
import type { CreateOptions, Host } from '../../src/engine/index.ts';
import type { ResumePolicy, ResumeReport } from '../../src/engine/types.ts';
import { BRIDGE_PREFIX, TAB_CWD } from './agents.ts';
import { when } from './play.ts';
import { codeOf, problemOf } from './problems.ts';
import type { SayResult } from './runner.ts';
import { Starting } from './starting.ts';
import type { Playground } from './store.ts';
import type { SessionView } from './view.ts';
import { errorWords } from './words.ts';

/** Whom a prompt is for, as it was chosen when Send was pressed. */
interface Addressee {
  readonly move: number;
  readonly agent: string;
  readonly cwd: string;
  readonly scenario: string;
  readonly policy: ResumePolicy;
}

/** What would go where, if the person says so. */
export interface Consent {
  readonly file: string;
  readonly events: number;
  readonly agent: string;
  readonly cwd: string;
  readonly answer: (send: boolean) => void;
}

const KEPT_HERE = 'The prompt was not sent: the conversation of the file stays here.';
const ELSEWHERE = 'The prompt was not sent: another session was chosen before it could be.';
const CANCELLED = 'The prompt was not sent: it was cancelled before the session was there.';

export class Turns {
  readonly #pg: Playground;
  #starting: Starting | null = null;

  constructor(pg: Playground) {
    this.#pg = pg;
  }

  /** The session that is being created. */
  get startingId(): string | null {
    return this.#starting?.sessionId ?? null;
  }

  /** The page goes to another session: one that is being created is gone before this resolves. */
  async leave(): Promise<void> {
    this.#pg.consent.value?.answer(false);
    await this.#starting?.leave(ELSEWHERE);
  }

  /** Sends what stands in the prompt box. */
  async sendDraft(): Promise<void> {
    const { draft, sending } = this.#pg;
    const text = draft.value;
    if (sending.value) return;
    draft.value = '';
    // What was never sent goes back where it can be sent again.
    if ((await this.sendLine(text)) !== null && draft.value === '') draft.value = text;
  }

  /** Sends a prompt. Why it was not sent, or null: what was stored was sent, and the conversation tells what came of it. */
  async sendLine(text: string): Promise<string | null> {
    const { error, stored } = await this.say(text);
    return error && !stored ? error.message : null;
  }

  /** One turn. Wakes the host, creates the session and resumes it, as needed. */
  async say(text: string): Promise<SayResult & { readonly stored: boolean }> {
    const pg = this.#pg;
    pg.problem.value = null;
    // It spoke of the time before this prompt.
    pg.note.value = null;
    pg.play.linkWaits.value = null;
    pg.sending.value = true;
    let to = this.#addressee();
    let sent = false;
    let before = 0;
    let error: SayResult['error'] = null;
    let report: ResumeReport | null = null;
    const starting = (this.#starting = new Starting());
    try {
      if (!pg.ready.value) {
        await starting.until(pg.opened);
        const { agent } = to;
        to = this.#addressee();
        // The bridge was found while the page started: nothing goes to it that was meant for the tab.
        if (agent !== to.agent && pg.chosen.value?.where === 'bridge')
          throw new Error(
            `The prompt was not sent: the agent is now ${pg.chosen.value.name}, behind your bridge. Send it again if it is for that one.`,
          );
      }
      await starting.until(when(() => !pg.places.going.value));
      before = pg.live.value.lastSeq;
      if (pg.inPast.value) await pg.time.close();
      const host = await starting.until(pg.keeper.wake());
      const sessionId = await this.#ensureSession(host, to, starting);
      await starting.until(this.#consented(sessionId));
      this.#stillAt(to);
      starting.signal.throwIfAborted();
      this.#starting = null;
      sent = true;
      const result = await host.prompt(sessionId, text, { policy: this.#policyNow(to) });
      report = result.report;
      if (to.move === pg.places.move) {
        pg.report.value = report;
        pg.keeper.dispatch({ type: 'report', report });
      }
    } catch (caught) {
      error = { code: codeOf(caught), message: errorWords(caught) };
      pg.problem.value = problemOf(caught);
      if (codeOf(caught) === 'storage_full') await pg.attempt(() => pg.shelf.goOnInMemory());
    }
    if (this.#starting === starting) this.#starting = null;
    await pg.watch.settle();
    pg.sending.value = false;
    const view = pg.live.value;
    // At another place the view tells nothing of this prompt.
    const stored = to.move === pg.places.move ? view.lastSeq > before && view.items.some((item) => item.kind === 'user') : sent;
    return { report, reply: lastReply(view), error, stored };
  }

  async cancel(): Promise<void> {
    const { keeper, sessionId } = this.#pg;
    // Before the prompt is sent there is no turn to cancel, and all the same something to stop.
    if (this.#starting) {
      this.#pg.consent.value?.answer(false);
      this.#starting.stop(CANCELLED);
    } else
      await this.#pg.attempt(async () => {
        if (sessionId.value) await keeper.host?.cancel(sessionId.value);
      });
  }

  /** Answers the agent's question; null is “none of these”. */
  async answer(requestId: string, optionId: string | null): Promise<void> {
    const { keeper, sessionId } = this.#pg;
    await this.#pg.attempt(async () => {
      if (sessionId.value) await keeper.host?.respondPermission(sessionId.value, requestId, optionId);
    });
  }

  async authenticate(methodId: string): Promise<void> {
    const { agent, keeper, problem } = this.#pg;
    const chosen = agent.value;
    problem.value = null;
    await this.#pg.attempt(async () => (await keeper.wake()).authenticate(chosen, methodId));
  }

  /** Creates the session without a prompt. */
  async createSession(): Promise<void> {
    const to = this.#addressee();
    await when(() => !this.#pg.places.going.value);
    const starting = (this.#starting = new Starting());
    try {
      await this.#ensureSession(await this.#pg.keeper.wake(), to, starting);
    } finally {
      if (this.#starting === starting) this.#starting = null;
    }
    await this.#pg.watch.settle();
  }

  #addressee(): Addressee {
    const { agent, chosen, places, policy, scenario } = this.#pg;
    return {
      move: places.move,
      agent: agent.value,
      cwd: chosen.value?.cwd ?? TAB_CWD,
      scenario: scenario.value.name,
      policy: policy.value,
    };
  }

  #stillAt(to: Addressee): void {
    if (to.move !== this.#pg.places.move) throw new Error(ELSEWHERE);
  }

  async #ensureSession(host: Host, to: Addressee, starting: Starting): Promise<string> {
    const pg = this.#pg;
    this.#stillAt(to);
    const known = pg.sessionId.value;
    if (known !== null) return known;
    const sessionId = `${to.scenario}-${crypto.randomUUID().slice(0, 6)}`;
    await starting.creating(sessionId, this.#create(host, { agent: to.agent, cwd: to.cwd, sessionId, signal: starting.signal }, to));
    pg.sessionId.value = sessionId;
    pg.places.rememberPlace();
    pg.places.trust(sessionId);
    return sessionId;
  }

  /** A session of a file goes to an agent behind the bridge only after the person said so, once. */
  async #consented(sessionId: string): Promise<void> {
    const pg = this.#pg;
    const file = pg.places.fileOf(pg.shelf.branch.value);
    if (!file || file.sent.includes(sessionId)) return;
    // The session's own agent gets the prompt, whichever is chosen.
    const info = await pg.shelf.reader!.get(sessionId);
    if (!info.agent.startsWith(BRIDGE_PREFIX)) return;
    const agent = pg.bridge.agents.value.find(({ key }) => key === info.agent);
    // The launcher says what is missing.
    if (!agent) return;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    pg.consent.value = { file: file.name, events: info.latestSeq, agent: agent.name, cwd: agent.cwd, answer: resolve };
    try {
      if (!(await promise)) throw new Error(KEPT_HERE);
    } finally {
      pg.consent.value = null;
    }
    pg.places.trust(sessionId);
  }

  /** One that came to be although the page has gone elsewhere holds nothing that anybody said. */
  async #create(host: Host, options: CreateOptions & { sessionId: string }, to: Addressee): Promise<void> {
    await host.create(options);
    if (to.move !== this.#pg.places.move) await host.delete(options.sessionId);
    this.#stillAt(to);
  }

  /** In a fork the agent's own session belongs to the main line, until a successor has answered. */
  #policyNow({ policy }: Addressee): ResumePolicy {
    const pg = this.#pg;
    const branch = pg.places.branches.find((one) => one.name === pg.shelf.branch.value);
    const info = pg.live.value.info;
    const foreign =
      branch &&
      info &&
      info.sessionId === branch.sessionId &&
      info.agentSessionId !== null &&
      info.agentSessionId === branch.agentSessionId;
    return foreign ? 'transcript' : policy;
  }
}

/** What the agent said since the last prompt. */
function lastReply(view: SessionView): string {
  const from = view.items.findLastIndex((item) => item.kind === 'user');
  return view.items
    .slice(from + 1)
    .flatMap((item) => (item.kind === 'agent' ? item.pieces : []))
    .join('');
}
