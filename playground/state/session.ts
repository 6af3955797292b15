/** The session that is shown: what is committed of it, whoever writes it, and the record an agent would get. */
import { computed, effect, signal } from '@preact/signals';
import type { Host } from '../../src/engine/index.ts';
import type { ResumeReport, SessionInfo } from '../../src/engine/types.ts';
import { EMPTY_VIEW, type SessionView } from './conversation.ts';
import type { FailedResume } from './report.ts';
import { drawn, every, Pace } from './pace.ts';
import { Follower, infoOf, readTranscript, type TranscriptText } from './reader.ts';

/** How often new events are shown at most: a stream reads smoothly at this, and leaves the page time for everything else. */
const FOLLOW_MS = 60;
/** How often a session that is live elsewhere is looked at. */
const LOOK_AGAIN_MS = 1_000;
const TRANSCRIPT_MS = 500;

export interface SessionOptions {
  readonly reader: () => Host | null;
  readonly schedule: (run: () => void) => void;
  /** An agent of this tab works on the session, or is about to. */
  readonly busyHere: () => boolean;
  readonly onShown: (sessionId: string) => void;
  readonly onError: (error: unknown) => void;
}

export class ShownSession {
  /** Null: a new one, begun by the next prompt. */
  readonly id = signal<string | null>(null);
  readonly list = signal<readonly SessionInfo[]>([]);
  readonly live = signal<SessionView>(EMPTY_VIEW);
  /** How the newest prompt found it. */
  readonly report = signal<ResumeReport | null>(null);
  /** The resumes that failed since the session is shown: what fails leaves no event. */
  readonly failures = signal<readonly FailedResume[]>([]);
  /** Counts the times that new events were shown. */
  readonly commits = signal(0);
  readonly transcript = signal<TranscriptText | null>(null);
  /** It is live in another tab. */
  readonly elsewhere = computed(() => this.live.value.info?.state === 'busy' && !this.#options.busyHere());
  readonly #options: SessionOptions;
  readonly #follow: Pace;
  #follower: Follower | null = null;
  #shownSeq = 0;
  #looking: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#follow = new Pace(() => this.#catchUp(), drawn(options.schedule, FOLLOW_MS), options.onError);
  }

  /** Something was committed. */
  poke(): void {
    this.#follow.poke();
  }

  /** Everything committed so far is shown. */
  settle(): Promise<void> {
    return this.#follow.now();
  }

  /** Another session: nothing of the last one is shown any more. */
  choose(sessionId: string | null): void {
    this.id.value = sessionId;
    this.report.value = null;
    this.failures.value = [];
    this.live.value = EMPTY_VIEW;
    this.forget();
  }

  /** Another session or database: reading begins anew. */
  forget(): void {
    this.#follower = null;
  }

  async has(sessionId: string): Promise<boolean> {
    const reader = this.#options.reader();
    return reader !== null && (await infoOf(reader, sessionId)) !== null;
  }

  /** Renders the transcript after each turn, which costs what its budget holds; returns the end of it. */
  followTranscript(onError: (error: unknown) => void): () => void {
    const pace = new Pace(
      async () => {
        const reader = this.#options.reader();
        const info = this.live.peek().info;
        this.transcript.value = reader && info ? await readTranscript(reader, info.sessionId) : null;
      },
      every(TRANSCRIPT_MS),
      onError,
    );
    const stop = effect(() => {
      // Read for their change alone: another session, or the end of a turn.
      void this.id.value;
      if (!this.live.value.turnOpen) pace.poke();
    });
    return () => {
      stop();
      pace.stop();
    };
  }

  stop(): void {
    clearTimeout(this.#looking);
    this.#follow.stop();
  }

  async #catchUp(): Promise<void> {
    const sessionId = this.id.value;
    const reader = this.#options.reader();
    if (!reader) return;
    // The list changes with turns, not with every piece of an answer.
    if (!this.live.value.turnOpen) this.list.value = (await reader.list({ limit: 50 })).sessions;
    if (sessionId === null) return;
    if (this.#follower?.sessionId !== sessionId) this.#follower = new Follower(reader, sessionId);
    const follower = this.#follower;
    const view = await follower.catchUp();
    if (this.#follower !== follower || this.id.value !== sessionId) return;
    const before = this.live.value.report;
    this.live.value = view;
    if (view.lastSeq !== this.#shownSeq) this.commits.value += 1;
    this.#shownSeq = view.lastSeq;
    if (view.report !== before) this.report.value = view.report;
    // Whether another tab still has the session shows in nothing that is committed.
    clearTimeout(this.#looking);
    if (this.elsewhere.value) this.#looking = setTimeout(() => this.poke(), LOOK_AGAIN_MS);
    this.#options.onShown(sessionId);
  }
}
