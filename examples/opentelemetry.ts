/**
 * The turns of a session as OpenTelemetry spans, in the names of the GenAI conventions.
 *
 *   node opentelemetry.ts AGENT [ARG…]     prints the spans of one turn
 */
import type { Host, ResumeReport, SessionEvent, TurnEnded } from 'acp-rehydrate';
import { openHost } from 'acp-rehydrate/node';

// #region trace
type Values = Record<string, string | number | boolean>;

/** What is used of `@opentelemetry/api`: its own `Tracer` and `Span` fit. */
interface Span {
  addEvent(name: string, attributes: Values, time: number): unknown;
  setAttributes(attributes: Values): unknown;
  setStatus(status: { code: number; message: string }): unknown;
  end(time: number): void;
}
interface Tracer {
  startSpan(name: string, options: { startTime: number; attributes: Values }): Span;
}

/** A span for each turn after `after`; resolves when the signal aborts or the host sleeps. Nothing that was said is in them. */
export async function traceTurns(host: Host, tracer: Tracer, sessionId: string, options: { after?: number; signal?: AbortSignal } = {}) {
  const { agent } = await host.get(sessionId);
  let span: Span | undefined;
  let report: ResumeReport | undefined;
  for await (const event of host.events(sessionId, options)) {
    if (event.kind === 'resumed') report = event.payload;
    if (event.kind === 'turn_started') {
      span = tracer.startSpan(`invoke_agent ${agent}`, {
        startTime: event.at,
        attributes: {
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.agent.name': agent,
          'gen_ai.conversation.id': sessionId,
          'rehydrate.turn.id': event.turnId ?? '',
          'rehydrate.tier': report?.tier ?? 'live',
          ...(report && { 'rehydrate.resume.ms': report.ms, 'rehydrate.resume.agent_ms': report.agentMs }),
        },
      });
      report = undefined;
    }
    if (span && event.kind === 'turn_ended') span = endTurn(span, event.payload, event.at);
    else if (span) note(span, event);
  }
}
// #endregion trace

/** What happened in a turn, without what was said. */
function note(span: Span, event: SessionEvent): void {
  const { at } = event;
  if (event.kind === 'permission_requested') span.addEvent('permission_requested', { 'rehydrate.request.id': event.payload.requestId }, at);
  if (event.kind === 'permission_resolved') span.addEvent('permission_resolved', { 'rehydrate.resolved.by': event.payload.by }, at);
  if (event.kind === 'agent_exited') span.addEvent('agent_exited', { 'rehydrate.exit.kind': event.payload.kind }, at);
  if (event.kind === 'update' && event.payload.sessionUpdate === 'tool_call')
    span.addEvent('execute_tool', { 'gen_ai.tool.call.id': event.payload.toolCallId }, at);
}

function endTurn(span: Span, { state, stopReason, error }: TurnEnded, at: number): undefined {
  span.setAttributes({ 'rehydrate.turn.state': state, ...(stopReason && { 'rehydrate.stop_reason': stopReason }) });
  if (error) {
    span.setAttributes({ 'error.type': error.code });
    span.setStatus({ code: 2, message: error.message }); // SpanStatusCode.ERROR
  }
  span.end(at);
}

/** Stands for the tracer of an SDK: `trace.getTracer('my-host')` of `@opentelemetry/api`. */
const printer: Tracer = {
  startSpan(name, { startTime, attributes }) {
    const all: Values = { ...attributes };
    const events: string[] = [];
    return {
      addEvent: (event) => events.push(event),
      setAttributes: (more) => Object.assign(all, more),
      setStatus: ({ message }) => Object.assign(all, { error: message }),
      end: (time) => console.log(JSON.stringify({ name, ms: time - startTime, attributes: all, events })),
    };
  },
};

const [command = '', ...args] = process.argv.slice(2);
const host = await openHost('traced.sqlite', { agents: { mine: { command, args } }, permission: 'allow' });
const { sessionId } = await host.open('traced', { agent: 'mine', cwd: process.cwd() });
const { latestSeq } = await host.get(sessionId);
const tracing = traceTurns(host, printer, sessionId, { after: latestSeq });
await host.prompt(sessionId, 'Ask for permission to tidy up.').catch((error: Error) => console.error(error.message));
await host.sleep();
await tracing;
