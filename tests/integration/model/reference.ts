/**
 * The reference: what was acknowledged to whom, and what must therefore be true of the log, the agents
 * and the sending. It knows nothing of how the engine works.
 */
import { expect } from 'vitest';
import { RehydrateError, type PromptResult, type Row, type SessionEvent, type SqlDatabase } from '../../../src/engine/index.ts';
import type { Sent } from './tapped-launcher.ts';

export interface Asked {
  readonly text: string;
  readonly key: string | null;
  /** Null while nobody knows, or when the host that was asked died first. */
  outcome: { readonly result: PromptResult } | { readonly error: unknown } | null;
}

export interface Reference {
  readonly asked: Asked[];
  readonly sent: Sent[];
  readonly seen: Map<number, SessionEvent>;
  /** Answers to permission requests that were accepted, by request id. */
  readonly answered: Map<string, string | null>;
}

export const newReference = (): Reference => ({ asked: [], sent: [], seen: new Map(), answered: new Map() });

const FACT = /^My item (\w+) is (\w+)\.$/;

/** Facts whose telling was answered and that answer stored. */
export function facts(reference: Reference): { item: string; value: string }[] {
  return reference.asked.flatMap(({ text, outcome }) => {
    const [, item, value] = FACT.exec(text) ?? [];
    return item && value && outcome && 'result' in outcome && outcome.result.stopReason === 'end_turn' ? [{ item, value }] : [];
  });
}

export function checkSeen(reference: Reference, event: SessionEvent): void {
  const before = reference.seen.get(event.seq);
  if (before) expect(event, `I2: event ${event.seq} is shown the same to everyone`).toEqual(before);
  reference.seen.set(event.seq, event);
}

/** Holds the record to everything that was acknowledged. `quiet`: nothing runs any more. */
export async function checkRecord(
  reference: Reference,
  database: SqlDatabase,
  events: readonly SessionEvent[],
  quiet: boolean,
): Promise<void> {
  const [session] = await database.query('SELECT * FROM acp_sessions');
  const turns = await database.query('SELECT * FROM acp_turns ORDER BY first_seq');
  expect(
    events.map((event) => event.seq),
    'I3: numbers without gaps',
  ).toEqual(events.map((_, index) => index + 1));
  // While an agent streams, and after a crash, the row's own number may be behind the log; it is never ahead of it.
  const latest = Number(session?.['latest_seq'] ?? 0);
  if (quiet) expect(latest, 'the row is up to date when all is quiet').toBe(events.length);
  else expect(latest).toBeLessThanOrEqual(events.length);
  for (const [seq, event] of reference.seen) expect(events[seq - 1], `I2: what was shown is never lost (event ${seq})`).toEqual(event);
  for (const asked of reference.asked) checkAsked(reference, asked, events, turns, quiet);
  for (const turn of turns) checkTurn(turn, events, quiet);
  checkSending(reference);
  checkPermissions(reference, events, quiet);
}

const userTexts = (events: readonly SessionEvent[], origin: 'host' | 'agent') =>
  events.flatMap((event) =>
    event.kind === 'update' &&
    event.origin === origin &&
    event.payload.sessionUpdate === 'user_message_chunk' &&
    event.payload.content.type === 'text'
      ? [{ text: event.payload.content.text, turnId: event.turnId }]
      : [],
  );

function checkAsked(
  reference: Reference,
  { text, key, outcome }: Asked,
  events: readonly SessionEvent[],
  turns: readonly Row[],
  quiet: boolean,
): void {
  const stored = userTexts(events, 'host').filter((user) => user.text === text);
  const sent = reference.sent.filter((prompt) => prompt.text === text);
  expect(stored.length, `I3: “${text}” is in the log once at most`).toBeLessThanOrEqual(1);
  expect(sent.length, `I5: “${text}” was sent once at most`).toBeLessThanOrEqual(1);
  if (stored.length === 0) expect(sent, `I1: “${text}” was not sent without being stored`).toEqual([]);
  const turn = turns.find((row) => row['turn_id'] === stored[0]?.turnId);
  if (stored.length > 0) expect(turn, `the turn of “${text}” is there`).toBeDefined();
  if (!outcome) return;
  if ('result' in outcome) {
    expect(turn, `I2: the answer to “${text}” is kept`).toMatchObject({
      turn_id: outcome.result.turnId,
      stop_reason: outcome.result.stopReason,
    });
    expect(['completed', 'cancelled']).toContain(turn?.['state']);
    expect(sent.length).toBe(1);
  } else if (RehydrateError.is(outcome.error)) {
    // Where the end of the turn could not be written either, the next taker writes it.
    if (outcome.error.code === 'turn_outcome_unknown')
      expect(quiet ? ['interrupted'] : ['interrupted', 'running'], `“${text}”: ${outcome.error.message}`).toContain(turn?.['state']);
    if (outcome.error.code === 'idempotency_conflict') {
      expect(
        turns.some((row) => row['idempotency_key'] === key) || reference.asked.some((other) => other.key === key && other.text !== text),
      ).toBe(true);
    }
  }
}

function checkTurn(turn: Row, events: readonly SessionEvent[], quiet: boolean): void {
  const own = events.filter((event) => event.turnId === turn['turn_id']);
  const named = (kind: SessionEvent['kind']) => own.filter((event) => event.kind === kind);
  expect(named('turn_started').length, 'a turn starts once').toBe(1);
  expect(named('turn_started')[0]?.seq).toBe(turn['first_seq']);
  if (quiet) expect(turn['state'], 'I12: no turn is running').not.toBe('running');
  expect(named('turn_ended').length, 'a turn ends once').toBe(turn['state'] === 'running' ? 0 : 1);
  if (turn['state'] !== 'running') {
    expect(named('turn_ended')[0]?.payload).toMatchObject({ state: turn['state'] });
    const last = own.filter((event) => event.origin !== 'import').at(-1);
    expect(last?.seq, 'nothing follows the end of a turn').toBe(turn['last_seq']);
  }
  checkSaid(own, String(turn['state']), events);
}

/** Nothing of an answer is there twice. */
function checkSaid(own: readonly SessionEvent[], state: string, events: readonly SessionEvent[]): void {
  const text = (kind: string) =>
    own
      .map((event) =>
        event.kind === 'update' && event.payload.sessionUpdate === kind
          ? (event.payload as { content: { text: string } }).content.text
          : '',
      )
      .join('');
  const question = text('user_message_chunk');
  const [, item, value] = FACT.exec(question) ?? [];
  if (!item || !value) return;
  const said = text('agent_message_chunk').replace(/^Let me see…/, '');
  const answerTo = (key: string, told: string) => `Noted. Your item ${key}: ${told}.`;
  const whole = ['Noted.', answerTo(item, value)];
  // The agent of a host that was taken for dead may end its turn after the next prompt: in the agent's own store its answer stands there.
  const isAnothers =
    own.some(({ origin }) => origin === 'import') &&
    events.some((event) => {
      const asked = event.kind === 'update' && (event.payload as { content?: { text?: string } }).content?.text;
      const [, key, told] = FACT.exec(asked || '') ?? [];
      return key !== undefined && said === answerTo(key, told!);
    });
  if (state === 'completed') expect(whole, `I3, I11: the answer to “${question}” is there, once`).toContain(said);
  else
    expect(
      isAnothers || whole.some((answer) => answer.startsWith(said)),
      `I3: what there is of the answer to “${question}” is there once: ${said}`,
    ).toBe(true);
}

function checkSending({ sent }: Reference): void {
  for (const prompt of sent) expect(prompt.stored, `I1: “${prompt.text}” was stored before it was sent`).toBe(true);
  const first = new Set<string>();
  for (const { agentSessionId, blocks, text } of sent) {
    if (first.has(agentSessionId)) expect(blocks, `I6: no second preamble for ${agentSessionId}, with “${text}”`).toBe(1);
    first.add(agentSessionId);
  }
}

function checkPermissions({ answered }: Reference, events: readonly SessionEvent[], quiet: boolean): void {
  const requested = new Set<string>();
  const resolved = new Map<string, string | null>();
  for (const event of events) {
    if (event.kind === 'permission_requested') requested.add(event.payload.requestId);
    if (event.kind !== 'permission_resolved') continue;
    const { requestId, optionId } = event.payload;
    expect(requested.has(requestId), 'an answer follows its question').toBe(true);
    expect(resolved.has(requestId), 'a question is answered once').toBe(false);
    resolved.set(requestId, optionId);
  }
  if (quiet)
    expect(
      [...requested].filter((id) => !resolved.has(id)),
      'no question is left hanging',
    ).toEqual([]);
  for (const [requestId, optionId] of answered) expect(resolved.get(requestId), 'an accepted answer is kept').toBe(optionId);
}
