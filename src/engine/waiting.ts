/** Resolves after `ms`, or as soon as the signal aborts. In the background it keeps no process running. */
export function delay(ms: number, signal?: AbortSignal, options: { readonly inBackground?: boolean } = {}): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    if (options.inBackground) inBackground(timer);
    if (signal?.aborted) finish();
    else signal?.addEventListener('abort', finish);
  });
}

/** Undefined if the promise does not settle in time. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([promise, new Promise<undefined>((resolve) => (timer = setTimeout(resolve, ms, undefined)))]);
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects with the signal's reason if that comes first. */
export function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * A signal that aborts with the first of the sources, until it is released. `AbortSignal.any` is not released: a source that lives long
 * keeps every signal made of it that somebody still listens to.
 */
export function linkedSignal(sources: readonly AbortSignal[]): { readonly signal: AbortSignal; readonly release: () => void } {
  const own = new AbortController();
  const abort = () => own.abort(sources.find(({ aborted }) => aborted)?.reason);
  for (const source of sources) source.addEventListener('abort', abort, { once: true });
  if (sources.some(({ aborted }) => aborted)) abort();
  return {
    signal: own.signal,
    release: () => {
      for (const source of sources) source.removeEventListener('abort', abort);
    },
  };
}

/** Lets a process exit although the timer is pending. In a browser a timer is a number, and nothing is to be done. */
export function inBackground<Timer>(timer: Timer): Timer {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
