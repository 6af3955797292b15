/** Shows one turn as it is stored: JSON lines (content/docs/reference/command.mdx), or text with the rest on stderr. */
import type { PromptResult, ResumeReport, SessionEvent } from '../engine/types.ts';
import { fieldsOf, textOf } from './foreign.ts';
import type { Output } from './output.ts';
import { eventRecord, oneLine, reportWords, toolLine } from './words.ts';

export interface TurnPrinter {
  event(event: SessionEvent): void;
  result(result: PromptResult): void;
  /** The turn went wrong: what was held back is shown, and the line ended. */
  end(): void;
}

export function turnPrinter(output: Output, json: boolean): TurnPrinter {
  return json ? jsonPrinter(output) : textPrinter(output);
}

function jsonPrinter(output: Output): TurnPrinter {
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
      if (held !== null) {
        held.push(event);
        if (event.kind === 'resumed') release(event.payload);
      } else {
        output.json(eventRecord(event));
      }
    },
    result(result) {
      release(result.report);
      const { turnId, stopReason, repeated } = result;
      output.json({ type: 'result', turnId, stopReason, ...(repeated ? { repeated } : {}) });
    },
    end: () => release(null),
  };
}

function textPrinter(output: Output): TurnPrinter {
  const titles = new Map<string, string>();
  return {
    event(event) {
      if (event.kind === 'resumed') output.note(`[${event.payload.tier}] ${reportWords(event.payload)}`);
      if (event.kind !== 'update' || event.origin !== 'agent' || event.turnId === null) return;
      const { sessionUpdate, content } = fieldsOf(event.payload);
      if (sessionUpdate === 'agent_message_chunk') {
        output.text(textOf(content) ?? '');
        return;
      }
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
