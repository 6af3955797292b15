/**
 * Shows the events of a session as they are stored, and asks for permission. Events are printed as JSON lines
 * (content/docs/reference/command.mdx), or the reply as text with everything else on stderr.
 */
import { messageOf } from './ends.ts';
import { eventRecord, oneLine, describeReport, toolLine } from './format.ts';
import type { Output } from './output.ts';
import { type Call, one } from './parse.ts';
import { openTerminal, REFUSED, type Terminal } from './terminal.ts';
import { RehydrateError } from '../engine/errors.ts';
import type { Host } from '../engine/index.ts';
import { STOP_REASONS } from '../engine/protocol/agent-protocol.ts';
import { fieldsOf, stringOf } from '../engine/objects.ts';
import { classOf, messageIdOf, messageText, noticeText, readToolCall, replacesMessage, roleOf } from '../engine/protocol/updates.ts';
import { logPages } from '../engine/storage/log-pages.ts';
import type { PermissionRequested, PermissionResolved, PromptResult, ResumeReport, SessionEvent } from '../engine/types.ts';
import { describeDropped } from '../server/notice.ts';

function noteDropped({ kind, payload }: SessionEvent, output: Output): void {
  const dropped = kind === 'turn_ended' ? payload.dropped : undefined;
  if (!dropped) return;
  output.note(`${describeDropped(dropped)} ${oneLine(dropped.last, 200)}`);
}

/** Points out a stop reason that ACP does not have: it does not tell how the turn went. */
function noteStopReason({ stopReason }: PromptResult, output: Output): void {
  if (STOP_REASONS.has(stopReason)) return;
  output.note(`the turn ended with ${oneLine(stopReason, 100) || 'an empty stop reason'}, which ACP does not have`);
}

export interface TurnPrinter {
  event(event: SessionEvent): void;
  result(result: PromptResult): void;
  /** Called when the turn failed: prints what was held back, and ends the line. */
  end(): void;
}

export function jsonPrinter(output: Output): TurnPrinter {
  /** Events wait here, because the report is printed first. */
  let held: SessionEvent[] | null = [];
  const release = (report: ResumeReport | null) => {
    if (held === null) return;
    if (report) output.json({ type: 'report', report });
    for (const event of held) output.json(eventRecord(event));
    held = null;
  };
  return {
    event(event) {
      noteDropped(event, output);
      if (held === null) return output.json(eventRecord(event));
      held.push(event);
      if (event.kind === 'resumed') release(event.payload);
    },
    result(result) {
      release(result.report);
      noteStopReason(result, output);
      const { turnId, stopReason, repeated } = result;
      output.json({ type: 'result', turnId, stopReason, ...(repeated ? { repeated } : {}) });
    },
    end: () => release(null),
  };
}

/** Prints replies on stdout, and tool calls, notices and reports on stderr. `between`: also what comes before the first turn. */
export function textPrinter(output: Output, { between }: { readonly between: boolean }): TurnPrinter {
  const titles = new Map<string, string>();
  /** The message being printed, as far as it was; null when something else came since, so that the next text begins a new line. */
  let message: { readonly id: string | null; readonly text: string } | null = null;
  let begun = between;
  return {
    event(event) {
      noteDropped(event, output);
      if (event.kind === 'resumed') output.note(`[${event.payload.tier}] ${describeReport(event.payload)}`);
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
        let text = messageText(event.payload);
        if (message?.id !== id) message = null;
        if (message && replacesMessage(event.payload)) {
          if (text.startsWith(message.text)) text = text.slice(message.text.length);
          else {
            output.note('The agent replaces what it said last:');
            message = null;
          }
        }
        if (message === null) output.freshLine();
        message = { id, text: (message?.text ?? '') + text };
        output.text(text);
        return;
      }
      const is = classOf(event.payload, event.meta);
      if (is === 'message' || is === 'tool_call') message = null;
      const line = toolLine(event.payload, titles);
      if (line !== null) output.note(line);
    },
    result(result) {
      output.freshLine();
      if (STOP_REASONS.has(result.stopReason) && result.stopReason !== 'end_turn') output.note(`the turn ended with ${result.stopReason}`);
      noteStopReason(result, output);
    },
    end: () => output.freshLine(),
  };
}

/**
 * Shows only this call's events, since another process may prompt the session, too: the turns and requests whose ids its host made, and what
 * belongs to no turn from the resume before such a turn on.
 */
export function ownEvents(ownIds: ReadonlySet<string>, show: (event: SessionEvent) => void) {
  /** Events of no turn since the last resume. They are held until the next turn tells whose resume that was. */
  let held: SessionEvent[] | null = [];
  const release = () => {
    const before = held ?? [];
    held = null;
    for (const event of before) show(event);
  };
  return {
    event(event: SessionEvent): void {
      if (event.turnId !== null && !ownIds.has(event.turnId)) {
        if (held !== null) held = [];
        return;
      }
      if (event.turnId !== null) release();
      else if (event.kind === 'resumed') held = [];
      if (held === null) return show(event);
      held.push(event);
    },
    /** Shows what is held back. Called when no turn of another process runs. */
    release,
  };
}

/** Shows each event after `after`, in order, one at a time. When `show` throws, `caughtUp` and `stop` reject with its error. */
export function followEvents(host: Host, sessionId: string, after: number, show: (event: SessionEvent) => void | Promise<void>) {
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
    /** Resolves when every event stored by now has been shown. */
    async caughtUp(): Promise<void> {
      const { latestSeq } = await host.get(sessionId);
      if (shown >= latestSeq) return;
      // The host's polling for events of other processes does not keep this process alive, so a timer does.
      const alive = setInterval(() => undefined, 60_000);
      try {
        await Promise.race([pump, new Promise<void>((resolve) => waiting.push({ seq: latestSeq, resolve }))]);
      } finally {
        clearInterval(alive);
      }
    },
    /** Resolves when the host is asleep and everything stored before that has been shown. */
    ended: () => pump,
    async stop(): Promise<void> {
      abort.abort();
      await pump;
    },
  };
}

export async function* storedEvents(host: Host, sessionId: string, after = 0, limit = Infinity): AsyncGenerator<SessionEvent> {
  for await (const page of logPages((range) => host.history(sessionId, range), { after, limit })) yield* page;
}

/** The rule of `--permission`. `ask` becomes `reject` without a terminal to read from and one to write to. */
export function permissionRule(call: Call): 'ask' | 'allow' | 'reject' {
  const rule = (one(call, 'permission') ?? 'ask') as 'ask' | 'allow' | 'reject';
  return rule === 'ask' && !(process.stdin.isTTY && process.stderr.isTTY) ? 'reject' : rule;
}

type PermissionPrompt = ReturnType<typeof permissionPrompt>;

/** A permission request as a person is shown it. What the agent wrote into it is not trusted. */
function permissionPrompt({ toolCall, options }: PermissionRequested) {
  return {
    title: oneLine(readToolCall(toolCall).title ?? '', 100) || 'something',
    options: options.map((option) => {
      const { name, kind } = fieldsOf(option);
      // An option without a kind can be chosen, but counts as neither.
      const means = /^(allow|reject)/.exec(stringOf(kind))?.[0];
      return { optionId: option.optionId, name: oneLine(stringOf(name), 80) || oneLine(option.optionId, 80), means };
    }),
  };
}

function describeAnswer({ options }: PermissionPrompt, { optionId, by }: PermissionResolved, rule: 'allow' | 'reject'): string {
  if (optionId === null) return by === 'end' ? 'cancelled before it was answered' : `cancelled, as the agent offers no way to ${rule} it`;
  const option = options.find((each) => each.optionId === optionId);
  if (option?.means === 'allow') return 'allowed';
  return option?.means === 'reject' ? 'rejected' : `answered “${option?.name ?? oneLine(optionId, 80)}”`;
}

/** Asks for permission on the terminal, one question at a time. What the rule decides without asking is reported. */
export function permissionAsker(
  call: Call,
  host: Host,
  sessionId: string,
  output: Output,
  open: () => Pick<Terminal, 'question' | 'close'> = () => openTerminal(process.stdin, process.stderr),
) {
  const asked = new Map<string, { readonly prompt: PermissionPrompt; readonly abort: AbortController }>();
  let queue = Promise.resolve();
  let terminal: ReturnType<typeof open> | undefined;
  const rule = permissionRule(call);
  const why =
    rule === 'reject' && one(call, 'permission') !== 'reject'
      ? ' (there is no terminal to ask on; --permission allow or reject decides)'
      : '';
  const ask = async (requestId: string, { title, options }: PermissionPrompt, signal: AbortSignal) => {
    if (signal.aborted) return;
    const choices = options.length === 0 ? '' : options.length === 1 ? '1, or ' : `1-${options.length}, or `;
    try {
      output.note(`The agent asks: ${title}`);
      for (const [index, { name }] of options.entries()) output.note(`  ${index + 1}  ${name}`);
      for (;;) {
        const answer = (await (terminal ??= open()).question(`${choices}Enter to refuse: `, signal)).trim();
        // When the agent offers no way to refuse, null cancels the request.
        const refusal = options.find(({ means }) => means === 'reject')?.optionId ?? null;
        const optionId = answer === REFUSED ? refusal : options[Number(answer) - 1]?.optionId;
        if (optionId !== undefined) return await host.respondPermission(sessionId, requestId, optionId);
      }
    } catch (error) {
      const settled =
        (error as Error).name === 'AbortError' || (RehydrateError.is(error) && /^(invalid_argument|host_closed)$/.test(error.code));
      if (!settled) output.note(`the answer to “${title}” could not be given, so the agent still waits for it: ${messageOf(error)}`);
    }
  };
  return {
    event(event: SessionEvent): void {
      if (event.kind === 'permission_requested') {
        const { requestId } = event.payload;
        const prompt = permissionPrompt(event.payload);
        const abort = new AbortController();
        asked.set(requestId, { prompt, abort });
        if (rule === 'ask') queue = queue.then(() => ask(requestId, prompt, abort.signal));
      } else if (event.kind === 'permission_resolved') {
        const known = asked.get(event.payload.requestId);
        asked.delete(event.payload.requestId);
        known?.abort.abort();
        // Reported only now: the rule may have found no fitting option, or the turn may have ended first.
        if (known && rule !== 'ask')
          output.note(`permission for “${known.prompt.title}”: ${describeAnswer(known.prompt, event.payload, rule)}${why}`);
      }
    },
    stop(): void {
      for (const { abort } of asked.values()) abort.abort();
      terminal?.close();
    },
  };
}
