/** What the panels show of a session: now, or at a moment of its past. */
import type { ResumeReport, SessionEvent, SessionInfo } from '../../src/engine/types.ts';
import { Conversation, type Item } from './conversation.ts';
import { doubt, INITIAL_MACHINE, type Machine, type StationState, type Station } from './machine.ts';
import { describeExit } from '../../src/engine/ports.ts';
import { turnEndWords } from './words.ts';

export interface SessionView {
  readonly info: SessionInfo | null;
  readonly items: readonly Item[];
  /** Items that no longer fit the page; they are in the log. */
  readonly dropped: number;
  readonly turnOpen: boolean;
  readonly permission: Extract<Item, { kind: 'permission' }> | null;
  readonly report: ResumeReport | null;
  readonly lastSeq: number;
}

export const EMPTY_VIEW: SessionView = Object.freeze({
  info: null,
  items: [],
  dropped: 0,
  turnOpen: false,
  permission: null,
  report: null,
  lastSeq: 0,
});

/** The whole view of a finished list of events. */
export function viewOf(events: readonly SessionEvent[], info: SessionInfo | null): SessionView {
  const conversation = new Conversation();
  let report: ResumeReport | null = null;
  for (const event of events) {
    conversation.add(event);
    if (event.kind === 'resumed') report = event.payload;
  }
  return snapshot(conversation, info, report);
}

/** `nobody`: no host holds the session. A turn nobody runs any more was interrupted, though that is not written down yet. */
export function snapshot(conversation: Conversation, info: SessionInfo | null, report: ResumeReport | null, nobody = false): SessionView {
  const abandoned = conversation.turnOpen && nobody;
  return {
    info,
    // A new array each time: the panels compare by identity.
    items: abandoned ? [...conversation.items, ABANDONED] : [...conversation.items],
    dropped: conversation.dropped,
    turnOpen: conversation.turnOpen && !abandoned,
    permission: abandoned ? null : conversation.openPermission(),
    report,
    lastSeq: conversation.lastSeq,
  };
}

const ABANDONED: Item = { kind: 'notice', key: 'abandoned', tone: 'warn', text: turnEndWords({ state: 'interrupted' })! };

/** The machine at a past moment, as far as the log tells: the wire of that time is gone. */
export function machineAt(events: readonly SessionEvent[]): Machine {
  let machine: Machine = { ...INITIAL_MACHINE, host: 'awake', words: 'Nothing had happened yet.' };
  for (const event of events) {
    switch (event.kind) {
      case 'turn_started':
        machine = { ...machine, agent: 'prompting', words: 'A turn was running.' };
        break;
      case 'resumed':
        machine = {
          ...machine,
          agent: machine.agent === 'prompting' ? 'prompting' : 'live',
          tier: event.payload.tier,
          stations: stationsOf(event.payload),
          words: 'The session had just become live.',
        };
        break;
      case 'turn_ended':
        machine =
          event.payload.state === 'interrupted'
            ? { ...machine, agent: 'dead', words: 'The turn was interrupted.' }
            : { ...machine, agent: 'live', words: 'The turn had ended.' };
        break;
      case 'agent_exited':
        machine = {
          ...machine,
          agent: event.payload.kind === 'ended' ? 'asleep' : 'dead',
          words: `The agent ${describeExit(event.payload)}.`,
        };
        break;
      default:
        break;
    }
  }
  return machine;
}

/** The stations a reported resume passed. */
export function stationsOf(report: ResumeReport): Machine['stations'] {
  const stations: Record<Station, StationState> = { ...INITIAL_MACHINE.stations, initialize: 'ok' };
  for (const attempt of report.attempts) {
    const state: StationState =
      attempt.outcome === 'ok' ? 'ok' : attempt.outcome === 'crash' || attempt.outcome === 'hang' ? 'lost' : 'refused';
    stations[attempt.method] = state;
  }
  if (report.tier === 'new' || report.tier === 'transcript') stations['session/new'] = 'ok';
  return doubt(stations, report.tier);
}
