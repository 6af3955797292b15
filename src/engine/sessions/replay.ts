/** The replay matcher of a session: what an agent says between its resume and the first prompt is matched against the log (I3). */
import type { Connection } from '../protocol/connection.ts';
import { roleOf } from '../protocol/updates.ts';
import type { Limits } from '../limits.ts';
import { createReplayMatcher, type ReplayResult } from '../resume/match.ts';
import type { Meta, ReplayItem } from '../resume/match-messages.ts';
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

export interface Replay {
  /** Takes an update as a part of the replay. */
  take(update: SessionUpdate, meta: Meta | undefined): void;
  /** Updates so far. */
  readonly received: number;
  /** Whether the log holds what a replay should bring; known from the first `finish` on. */
  readonly expectsMessages: boolean | null;
  /** Forgets what came: another attempt begins. */
  restart(method: 'session/resume' | 'session/load'): void;
  /** Some agents answer first and replay after: waits until it is quiet, while messages are missing. */
  untilQuiet(connection: Connection, limits: Limits): Promise<void>;
  /** Matches what came so far. */
  finish(): Promise<ReplayOutcome>;
  /** What came since the last `finish`, and what is still owed: asked when the first prompt is about to be sent. */
  settle(): Promise<{ readonly late: readonly Heard[] } & Pick<ReplayOutcome, 'next' | 'nextToolCalls'>>;
}

/** Nobody says so much beside a conversation; more is a replay without the user's words. */
const MAX_ASIDE = 256;

export async function openReplay(
  store: Store,
  sessionId: string,
  agentSessionId: string,
  redact: (text: string) => string,
  isAdopted = false,
): Promise<Replay> {
  const began = await store.agentSession(sessionId, agentSessionId);
  const fromSeq = began?.beganSeq ?? 0;
  const matcher = createReplayMatcher({
    log: store.eventsBackwards(sessionId),
    fromSeq,
    preamble: began?.preamble ? textsOf(JSON.parse(began.preamble) as ContentBlock[]) : [],
    redact,
    isAdopted,
    // A completed turn is a message of the user's and one of the agent's; counting them reads no event.
    countBefore: async (seq) => 2 * (await store.completedTurns(sessionId, fromSeq, seq)),
  });
  let received = 0;
  /** What came after a resume, while it may be no replay: whoever replays begins with words of the user's. */
  let aside: ReplayItem[] | null = null;
  let last: { readonly received: number; readonly outcome: ReplayOutcome } | null = null;

  const finish = async (): Promise<ReplayOutcome> => {
    if (last?.received === received) return last.outcome;
    const before = received;
    const result = await matcher.end();
    const heard: Heard[] = aside
      ? aside.map((item) => ({ ...item, turnId: null, origin: 'agent' }))
      : result.imported.map((item) => ({ ...item, origin: 'import' }));
    last = { received: before, outcome: { ...result, isReplay: aside === null, heard } };
    return last.outcome;
  };

  return {
    take(update, meta) {
      if (!matcher.take(update, meta)) return;
      received++;
      if (roleOf(update, meta) === 'user' || (aside?.length ?? 0) >= MAX_ASIDE) aside = null;
      aside?.push(meta ? { update, meta } : { update });
    },
    get received() {
      return received;
    },
    get expectsMessages() {
      return last?.outcome.expectsMessages ?? null;
    },
    restart(method) {
      matcher.restart();
      [received, last, aside] = [0, null, method === 'session/resume' ? [] : null];
    },
    async untilQuiet(connection, limits) {
      const deadline = performance.now() + limits.replayMaxMs;
      for (;;) {
        const { expectsMessages, reachedEnd } = await finish();
        const left = deadline - performance.now();
        if (!expectsMessages || reachedEnd || left <= 0 || connection.exit !== null) return;
        const before = received;
        await connection.wait(Math.min(limits.replayQuietMs, left));
        if (received === before) return;
      }
    },
    finish,
    async settle() {
      // What was heard when the session was opened is in the log already; what comes late is only added behind it.
      const before = new Set(last?.outcome.heard.map(({ update }) => update));
      const { heard, next, nextToolCalls } = await finish();
      return { late: heard.filter(({ update }) => !before.has(update)), next, nextToolCalls };
    },
  };
}

/** The texts of a preamble's blocks, the embedded record's among them. */
function textsOf(blocks: readonly ContentBlock[]): string[] {
  return blocks.flatMap((block) =>
    block.type === 'text' ? [block.text] : block.type === 'resource' && 'text' in block.resource ? [block.resource.text] : [],
  );
}
