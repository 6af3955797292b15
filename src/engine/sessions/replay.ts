/** The replay matcher of a session: what an agent says between its resume and the first prompt is matched against the log (I3). */
import type { Connection } from '../protocol/connection.ts';
import { classOf, isConversation, messageText, readToolCall, roleOf } from '../protocol/updates.ts';
import type { Limits } from '../limits.ts';
import { whatFollows } from '../resume/decide.ts';
import { createReplayMatcher, type ReplayResult } from '../resume/match.ts';
import { sideOf, squeeze, type ReplayItem } from '../resume/match-messages.ts';
import type { Store } from '../storage/store.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';

export type { ReplayResult };

/** What is to be stored: of a replay what the log had not, `origin: import`; else all that was said, as the agent's. */
export interface Heard extends ReplayItem {
  readonly turnId: string | null;
  readonly origin: 'agent' | 'import';
}

export interface ReplayOutcome extends ReplayResult {
  /** False when nothing was replayed after a `session/resume`: what came, if anything, is a notice and the like. */
  readonly isReplay: boolean;
  readonly heard: readonly Heard[];
}

export type Replay = Awaited<ReturnType<typeof openReplay>>;

/** What was made of the first so many updates. */
interface Matched {
  readonly received: number;
  readonly outcome: ReplayOutcome;
}

/** So many times as long the first message of a replay may take: an agent that brings nothing is left for a new one. */
export const SILENCES_AT_FIRST = 4;

/** A wait that took so much longer than it was to take says nothing of the agent. */
const STANDSTILL_MS = 40;

/** Nobody says so much beside a conversation; more is a replay without the user's words. */
const MAX_ASIDE = 256;

export async function openReplay(
  store: Store,
  sessionId: string,
  agentSessionId: string,
  redact: (text: string) => string,
  isAdopted = false,
) {
  const began = await store.agentSession(sessionId, agentSessionId);
  const fromSeq = began?.beganSeq ?? 0;
  // Each attempt is matched against the log as it is then, with what was imported before.
  const newMatcher = () =>
    createReplayMatcher({
      log: store.eventsBackwards(sessionId),
      fromSeq,
      preamble: textsOf(began?.blocks ?? []),
      redact,
      isAdopted,
      // A completed turn is a message of the user's and one of the agent's; counting them reads no event.
      countBefore: async (seq) => 2 * (await store.completedTurns(sessionId, fromSeq, seq)),
    });
  let matcher = newMatcher();
  let received = 0;
  /** What came since a resume, or since a replay that was whole, while it is not known whether it is one. */
  let undecided: ReplayItem[] | null = null;
  /** Whether words of the user's are among what came. */
  let hasUser = false;
  /** What is no part of a conversation (notices, kinds of later versions) and came among a replay, which may bring it again. */
  let beside: ReplayItem[] = [];
  let last: Matched | null = null;
  /** The replay that was whole. What follows may go on with it. */
  let former: { readonly matcher: typeof matcher; readonly beside: typeof beside; readonly last: Matched } | null = null;
  let settling: Promise<unknown> = Promise.resolve();

  /** Matches what came so far. */
  const finish = async (): Promise<ReplayOutcome> => {
    for (;;) {
      if (last?.received === received) return last.outcome;
      const before = received;
      const result = await matcher.end();
      if (former && undecided) {
        const words = squeeze(undecided.map(({ update, meta }) => (sideOf(update, meta) ? messageText(update) : '')).join(''));
        const follows = whatFollows(former.last.outcome, { hasUser, beginsOurs: result.beginsOurs, words });
        if (follows === 'more') {
          for (const { update, meta } of undecided) former.matcher.take(update, meta);
          beside.unshift(...former.beside);
          received += former.last.received;
          [{ matcher, last }, former, undecided] = [former, null, null];
          continue;
        }
        if (follows === 'again') [former, undecided] = [null, null];
      }
      // A replay that was whole may end with what stood beside its last words.
      const isAgain = ({ update }: ReplayItem): boolean =>
        classOf(update) === 'tool_call' && result.nextToolCalls.has(readToolCall(update).id);
      const heard: Heard[] = undecided
        ? undecided.flatMap((item) => (isAgain(item) ? [] : { ...item, turnId: null, origin: 'agent' }))
        : [...result.imported.map((item): Heard => ({ ...item, origin: 'import' })), ...(await newBeside(result))];
      last = { received: before, outcome: { ...result, isReplay: undecided === null, heard } };
      return last.outcome;
    }
  };

  /** Of what came beside the conversation, what the log does not have. */
  const newBeside = async ({ imported }: ReplayResult): Promise<Heard[]> => {
    const taken = new Set(imported.map(({ update }) => update));
    const left = new Map(beside.flatMap((item) => (taken.has(item.update) ? [] : [[JSON.stringify(item.update), item] as const])));
    if (left.size > 0)
      for await (const page of store.eventsBackwards(sessionId)) {
        for (const { kind, payload } of page) if (kind === 'update') left.delete(JSON.stringify(payload));
        if (left.size === 0) break;
      }
    return [...left.values()].map((item) => ({ ...item, turnId: null, origin: 'agent' }));
  };

  const begin = (method: 'session/resume' | 'session/load'): void => {
    matcher = newMatcher();
    [received, last, beside, hasUser, undecided] = [0, null, [], false, method === 'session/resume' ? [] : null];
  };

  /** What was matched is in the log. If it was no replay, or a whole one, it is over, and what follows is judged by itself. */
  const conclude = (): void => {
    if (received === 0 || last?.received !== received || (last.outcome.isReplay && !last.outcome.reachedEnd)) return;
    if (last.outcome.isReplay) former = { matcher, beside, last };
    begin('session/resume');
  };

  /** Forgets what came: another attempt begins. */
  const restart = (method: 'session/resume' | 'session/load'): void => {
    former = null;
    begin(method);
  };

  return {
    /** Takes an update as a part of the replay; `isOpening` until the agent has answered and that is stored. */
    take(update: SessionUpdate, meta: ReplayItem['meta'], isOpening: boolean): void {
      if (!matcher.take(update, meta)) return;
      received++;
      const item = meta ? { update, meta } : { update };
      if (!isConversation(update, meta)) beside.push(item);
      hasUser ||= roleOf(update, meta) === 'user';
      undecided?.push(item);
      if (!former && (hasUser || (isOpening && (undecided?.length ?? 0) > MAX_ASIDE))) undecided = null;
    },
    /** Whether anything came since it was last matched. */
    get pending(): boolean {
      return received !== (last?.received ?? 0);
    },
    /** Whether so much came after the opening that it must not wait any longer. */
    get isFull(): boolean {
      return undecided !== null && undecided.length >= MAX_ASIDE;
    },
    /** Updates so far. */
    get received(): number {
      return received;
    },
    restart,
    finish,
    conclude,
    /** Some agents answer first and replay after: waits until it is quiet, while messages are missing. */
    async untilQuiet(connection: Connection, limits: Limits): Promise<void> {
      const deadline = performance.now() + limits.replayMaxMs;
      for (let silences = 0; ;) {
        const { expectsMessages, reachedEnd, verified } = await finish();
        const left = deadline - performance.now();
        const isAll = (!expectsMessages || reachedEnd) && verified !== 'replay-empty';
        if (isAll || left <= 0 || connection.exit !== null) return;
        const before = received;
        const wait = Math.min(limits.replayQuietMs, left);
        const since = performance.now();
        await connection.wait(wait);
        // While this process stood still itself nothing could be heard.
        const stoodStill = performance.now() - since > wait + STANDSTILL_MS;
        silences = received === before ? silences + (stoodStill ? 0 : 1) : 0;
        if (silences >= (received === 0 ? SILENCES_AT_FIRST : 1)) return;
      }
    },
    /** What came since the last time, and what is still owed: asked when it has been quiet, and when the first prompt is about to be sent. */
    settle(): Promise<{ readonly late: readonly Heard[] } & Pick<ReplayOutcome, 'next' | 'nextToolCalls'>> {
      const settled = settling.then(async () => {
        const whole = former?.last.outcome;
        if (received === 0 && whole) return { late: [], next: whole.next, nextToolCalls: whole.nextToolCalls };
        // What was heard when the session was opened is in the log already; what comes late is only added after it.
        const before = new Set((last?.outcome ?? whole)?.heard.map(({ update }) => update));
        const outcome = await finish();
        const { next, nextToolCalls } = outcome.isReplay ? outcome : (whole ?? outcome);
        conclude();
        return { late: outcome.heard.filter(({ update }) => !before.has(update)), next, nextToolCalls };
      });
      settling = settled.catch(() => undefined);
      return settled;
    },
  };
}

/** The texts of a preamble's blocks, the embedded record's among them. */
function textsOf(blocks: readonly ContentBlock[]): string[] {
  return blocks.flatMap((block) =>
    block.type === 'text' ? [block.text] : block.type === 'resource' && 'text' in block.resource ? [block.resource.text] : [],
  );
}
