/** What happens in a session, shown as it is stored: as JSON lines (content/docs/reference/command.mdx), or as text with the rest on stderr. */
import type { Host } from '../engine/index.ts';
import { classOf, messageIdOf, messageText, noticeText, roleOf } from '../engine/protocol/updates.ts';
import type { PromptResult, ResumeReport, SessionEvent } from '../engine/types.ts';
import { eventRecord, oneLine, reportWords, toolLine } from './format.ts';
import type { Output } from './output.ts';

export interface TurnPrinter {
  event(event: SessionEvent): void;
  result(result: PromptResult): void;
  /** The turn went wrong: what was held back is shown, and the line ended. */
  end(): void;
}

/** Events as JSON lines, each as it was stored, after the report. */
export function jsonPrinter(output: Output): TurnPrinter {
  /** Until the report is known, since it comes first. */
  let held: SessionEvent[] | null = [];
  const release = (report: ResumeReport | null) => {
    if (held === null) return;
    if (report) output.json({ type: 'report', report });
    for (const event of held) output.json(eventRecord(event));
    held = null;
  };
  return {
    event(event) {
      if (held === null) return output.json(eventRecord(event));
      held.push(event);
      if (event.kind === 'resumed') release(event.payload);
    },
    result(result) {
      release(result.report);
      const { turnId, stopReason, repeated } = result;
      output.json({ type: 'result', turnId, stopReason, ...(repeated ? { repeated } : {}) });
    },
    end: () => release(null),
  };
}

/** The replies on stdout, one message after the other; tool calls, notices and reports on stderr. `between`: what comes before the first turn, too. */
export function textPrinter(output: Output, { between }: { readonly between: boolean }): TurnPrinter {
  const titles = new Map<string, string>();
  /** The message that the last text belonged to; null when something else came since, so that the next text begins a line. */
  let message: { readonly id: string | null } | null = null;
  let begun = between;
  return {
    event(event) {
      if (event.kind === 'resumed') output.note(`[${event.payload.tier}] ${reportWords(event.payload)}`);
      if (event.kind === 'turn_started') {
        message = null;
        begun = true;
      }
      if (event.kind !== 'update' || event.origin !== 'agent') return;
      const notice = noticeText(event.payload, event.meta);
      if (notice !== null) output.note(notice);
      if (event.turnId === null && !begun) return;
      if (roleOf(event.payload, event.meta) === 'agent') {
        const id = messageIdOf(event.payload);
        if (message === null || message.id !== id) output.freshLine();
        message = { id };
        output.text(messageText(event.payload));
        return;
      }
      const is = classOf(event.payload, event.meta);
      if (is === 'message' || is === 'tool_call') message = null;
      const line = toolLine(event.payload, titles);
      if (line !== null) output.note(line);
    },
    result(result) {
      output.freshLine();
      if (result.stopReason !== 'end_turn') output.note(`the turn ended with ${oneLine(result.stopReason, 100) || 'an empty stop reason'}`);
    },
    end: () => output.freshLine(),
  };
}

export interface Following {
  /** Resolves when every event that is stored now has been shown. */
  caughtUp(): Promise<void>;
  /** Resolves when all is shown that was stored before the host went to sleep. */
  ended(): Promise<void>;
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
      // What another process wrote comes by looks of the host that keep no process alive.
      const alive = setInterval(() => undefined, 60_000);
      try {
        await Promise.race([pump, new Promise<void>((resolve) => waiting.push({ seq: latestSeq, resolve }))]);
      } finally {
        clearInterval(alive);
      }
    },
    ended: () => pump,
    async stop() {
      abort.abort();
      await pump;
    },
  };
}
