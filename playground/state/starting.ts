/** What comes before a prompt: the page starts, the host wakes, a session is created. It can be stopped at any point. */
export class Starting {
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
