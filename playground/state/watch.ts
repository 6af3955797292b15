/** Shows what is committed: follows the session that is looked at, whoever writes it. */
import { drawn, every, Pace } from './pace.ts';
import { Follower } from './reader.ts';
import type { Playground } from './store.ts';

/** How often new events are shown at most: a stream reads smoothly at this, and leaves the page time for everything else. */
const FOLLOW_MS = 60;
/** How often a session that is live elsewhere is looked at. */
const LOOK_AGAIN_MS = 1_000;
const TIMELINE_MS = 300;

export class Watch {
  readonly #pg: Playground;
  readonly #follow: Pace;
  readonly #timeline: Pace;
  #follower: Follower | null = null;
  #shownSeq = 0;
  #looking: ReturnType<typeof setTimeout> | undefined;

  constructor(pg: Playground, onError: (error: unknown) => void) {
    this.#pg = pg;
    this.#follow = new Pace(() => this.#catchUp(), drawn(pg.platform.schedule, FOLLOW_MS), onError);
    this.#timeline = new Pace(() => pg.time.refresh(), every(TIMELINE_MS), onError);
  }

  poke(): void {
    this.#follow.poke();
  }

  pokeTimeline(): void {
    this.#timeline.poke();
  }

  /** Everything committed so far is shown. */
  settle(): Promise<void> {
    return this.#follow.now();
  }

  /** Another session or database: reading begins anew. */
  forget(): void {
    this.#follower = null;
  }

  async has(sessionId: string): Promise<boolean> {
    const { reader } = this.#pg.shelf;
    if (!reader) return false;
    return (await new Follower(reader, sessionId).catchUp()).info !== null;
  }

  stop(): void {
    clearTimeout(this.#looking);
    this.#follow.stop();
    this.#timeline.stop();
  }

  async #catchUp(): Promise<void> {
    const pg = this.#pg;
    const sessionId = pg.sessionId.value;
    const { reader } = pg.shelf;
    if (!reader) return;
    // The list changes with turns, not with every piece of an answer.
    if (!pg.live.value.turnOpen) pg.sessions.value = (await reader.list({ limit: 50 })).sessions;
    if (sessionId === null) return;
    if (this.#follower?.sessionId !== sessionId) this.#follower = new Follower(reader, sessionId);
    const follower = this.#follower;
    const view = await follower.catchUp();
    if (this.#follower !== follower || pg.sessionId.value !== sessionId) return;
    const before = pg.live.value.report;
    pg.live.value = view;
    if (view.lastSeq !== this.#shownSeq) pg.commits.value += 1;
    this.#shownSeq = view.lastSeq;
    if (view.report !== before) pg.report.value = view.report;
    pg.tables.focus(sessionId);
    // Whether another tab still has the session shows in nothing that is committed.
    if (pg.elsewhere.value) this.#lookAgain();
    this.#timeline.poke();
  }

  #lookAgain(): void {
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => this.#follow.poke(), LOOK_AGAIN_MS);
  }
}
