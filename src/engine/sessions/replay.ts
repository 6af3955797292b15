/** The replay matcher of a session: what the agent repeats when it is taken up again is matched against the log, not appended (I3). */
import type { AgentLink } from '../protocol/link.ts';
import type { Limits } from '../limits.ts';
import { createReplayMatcher, type ReplayResult } from '../resume/match.ts';
import type { Store } from '../storage/store.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';

export type { ReplayResult };

type Meta = Readonly<Record<string, unknown>> | undefined;

export interface Replay {
  /** Takes an update as a part of the replay. */
  take(update: SessionUpdate, meta: Meta): void;
  /** Updates so far. */
  readonly received: number;
  /** Whether the log holds what a replay should bring; known from the first `finish` on. */
  readonly expectsMessages: boolean | null;
  /** Forgets what came: another attempt begins. */
  restart(): void;
  /** Some agents answer first and replay after: waits until it is quiet, while messages are missing. */
  untilQuiet(link: AgentLink, limits: Limits): Promise<void>;
  /** Matches what came so far. */
  finish(): Promise<ReplayResult>;
  /** What came since the last `finish`, and what is still owed: asked when the first prompt is about to be sent. */
  settle(): Promise<{
    readonly late: ReplayResult['imported'];
    readonly next: ReplayResult['next'];
    readonly nextToolCalls: ReplayResult['nextToolCalls'];
  }>;
}

export async function openReplay(
  store: Store,
  sessionId: string,
  agentSessionId: string,
  redact: (text: string) => string,
): Promise<Replay> {
  const began = await store.agentSession(sessionId, agentSessionId);
  const fromSeq = began?.beganSeq ?? 0;
  const matcher = createReplayMatcher({
    log: store.eventsBackwards(sessionId),
    fromSeq,
    preamble: began?.preamble ? textsOf(JSON.parse(began.preamble) as ContentBlock[]) : [],
    redact,
    // A completed turn is a message of the user's and one of the agent's; counting them reads no event.
    countBefore: async (seq) => 2 * (await store.completedTurns(sessionId, fromSeq, seq)),
  });
  let received = 0;
  let matchedAt = -1;
  let result: ReplayResult | null = null;

  const finish = async (): Promise<ReplayResult> => {
    if (result === null || matchedAt !== received) {
      matchedAt = received;
      result = await matcher.end();
    }
    return result;
  };

  return {
    take(update, meta) {
      if (matcher.take(update, meta)) received++;
    },
    get received() {
      return received;
    },
    get expectsMessages() {
      return result?.expectsMessages ?? null;
    },
    restart() {
      matcher.restart();
      received = 0;
      matchedAt = -1;
      result = null;
    },
    async untilQuiet(link, limits) {
      const deadline = performance.now() + limits.replayMaxMs;
      for (;;) {
        const { expectsMessages, reachedEnd } = await finish();
        const left = deadline - performance.now();
        if (!expectsMessages || reachedEnd || left <= 0 || link.exit !== null) return;
        const before = received;
        await link.wait(Math.min(limits.replayQuietMs, left));
        if (received === before) return;
      }
    },
    finish,
    async settle() {
      // What was imported when the session was opened is in the log already; a late replay only adds behind it.
      const before = new Set(result?.imported.map(({ update }) => update));
      const now = await finish();
      return { late: now.imported.filter(({ update }) => !before.has(update)), next: now.next, nextToolCalls: now.nextToolCalls };
    },
  };
}

/** The texts of a preamble's blocks, the embedded record's among them. */
function textsOf(blocks: readonly ContentBlock[]): string[] {
  return blocks.flatMap((block) =>
    block.type === 'text' ? [block.text] : block.type === 'resource' && 'text' in block.resource ? [block.resource.text] : [],
  );
}
