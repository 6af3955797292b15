/** Events of a session to whoever shows them, while calls run and until all of them were shown. */
import type { Host } from '../engine/index.ts';
import type { SessionEvent } from '../engine/types.ts';

export interface Following {
  /** Resolves when every event that is stored now has been shown. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}

/** Shows each event after `after`, in order, one at a time. An error of `show` comes out of `caughtUp` and `stop`. */
export function followEvents(host: Host, sessionId: string, after: number, show: (event: SessionEvent) => void | Promise<void>): Following {
  const abort = new AbortController();
  let shown = after;
  let waiting: { seq: number; resolve: () => void }[] = [];
  const wake = () => {
    for (const each of waiting) if (shown >= each.seq) each.resolve();
    waiting = waiting.filter((each) => shown < each.seq);
  };
  const pump = (async () => {
    for await (const event of host.events(sessionId, { after, signal: abort.signal })) {
      await show(event);
      shown = event.seq;
      wake();
    }
  })();
  pump.catch(() => undefined);
  return {
    async caughtUp() {
      const { latestSeq } = await host.get(sessionId);
      if (shown >= latestSeq) return;
      await Promise.race([pump, new Promise<void>((resolve) => waiting.push({ seq: latestSeq, resolve }))]);
    },
    async stop() {
      abort.abort();
      await pump;
    },
  };
}
