/** Keeps the transcript panel up to date. Rendering costs what the budget holds, so it waits for the end of a turn. */
import { effect, signal } from '@preact/signals';
import { every, Pace } from './pace.ts';
import type { Playground } from './store.ts';
import { readTranscript, type TranscriptText } from './transcripts.ts';
import { errorWords } from './words.ts';

export class TranscriptWatch {
  readonly text = signal<TranscriptText | null>(null);
  readonly #pg: Playground;
  readonly #pace: Pace;

  constructor(pg: Playground) {
    this.#pg = pg;
    this.#pace = new Pace(
      () => this.#read(),
      every(500),
      (error) => (pg.note.value = `The transcript could not be rendered: ${errorWords(error)}`),
    );
  }

  /** Follows the session shown; returns the end of following. */
  start(): () => void {
    const stop = effect(() => {
      // Read for their change alone: another session, or the end of a turn.
      void this.#pg.sessionId.value;
      if (!this.#pg.live.value.turnOpen) this.#pace.poke();
    });
    return () => {
      stop();
      this.#pace.stop();
    };
  }

  async #read(): Promise<void> {
    const { reader } = this.#pg.shelf;
    const info = this.#pg.live.peek().info;
    this.text.value = reader && info ? await readTranscript(reader, info.sessionId) : null;
  }
}
