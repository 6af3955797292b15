/** The conversation: what a person says, answers and stops. */
import type { Host } from '../../src/engine/index.ts';
import type { ResumePolicy, ResumeReport } from '../../src/engine/types.ts';
import { TAB_CWD } from './agents.ts';
import { when } from './play.ts';
import { codeOf, problemOf } from './problems.ts';
import type { SayResult } from './runner.ts';
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

export class Turns {
  readonly #pg: Playground;

  constructor(pg: Playground) {
    this.#pg = pg;
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
    pg.play.linkWaits.value = null;
    pg.sending.value = true;
    let to = this.#addressee();
    let sent = false;
    let before = 0;
    let error: SayResult['error'] = null;
    let report: ResumeReport | null = null;
    try {
      if (!pg.ready.value) {
        await pg.opened;
        const { agent } = to;
        to = this.#addressee();
        // The bridge was found while the page started: nothing goes to it that was meant for the tab.
        if (agent !== to.agent && pg.chosen.value?.where === 'bridge') throw new Error(`The prompt was not sent: the agent is now ${pg.chosen.value.name}, behind your bridge. Send it again if it is for that one.`);
      }
      await when(() => !pg.places.going.value);
      before = pg.live.value.lastSeq;
      if (pg.inPast.value) await pg.time.close();
      const host = await pg.keeper.wake();
      const sessionId = await this.#ensureSession(host, to);
      this.#stillAt(to);
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
    await pg.watch.settle();
    pg.sending.value = false;
    const view = pg.live.value;
    // At another place the view tells nothing of this prompt.
    const stored = to.move === pg.places.move ? view.lastSeq > before && view.items.some((item) => item.kind === 'user') : sent;
    return { report, reply: lastReply(view), error, stored };
  }

  async cancel(): Promise<void> {
    const { keeper, sessionId } = this.#pg;
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
    await this.#ensureSession(await this.#pg.keeper.wake(), to);
    await this.#pg.watch.settle();
  }

  #addressee(): Addressee {
    const { agent, chosen, places, policy, scenario } = this.#pg;
    return { move: places.move, agent: agent.value, cwd: chosen.value?.cwd ?? TAB_CWD, scenario: scenario.value.name, policy: policy.value };
  }

  #stillAt(to: Addressee): void {
    if (to.move !== this.#pg.places.move) throw new Error('The prompt was not sent: another session was chosen before it could be.');
  }

  async #ensureSession(host: Host, to: Addressee): Promise<string> {
    const pg = this.#pg;
    this.#stillAt(to);
    const known = pg.sessionId.value;
    if (known !== null) return known;
    const sessionId = `${to.scenario}-${crypto.randomUUID().slice(0, 6)}`;
    const info = await host.create({ agent: to.agent, cwd: to.cwd, sessionId });
    if (to.move !== pg.places.move) await host.close(sessionId);
    this.#stillAt(to);
    pg.sessionId.value = info.sessionId;
    pg.places.rememberPlace();
    return info.sessionId;
  }

  /** In a fork the agent's own session belongs to the main line, until a successor has answered. */
  #policyNow({ policy }: Addressee): ResumePolicy {
    const pg = this.#pg;
    const branch = pg.places.branches.find((one) => one.name === pg.shelf.branch.value);
    const info = pg.live.value.info;
    const foreign = branch && info && info.sessionId === branch.sessionId && info.agentSessionId !== null && info.agentSessionId === branch.agentSessionId;
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
