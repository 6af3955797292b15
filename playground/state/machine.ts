/**
 * The live picture of host, database and agent, as a reducer over what the tap and the host report.
 * It is drawn from the wire and not asked of the engine, so that it shows what happened and nothing else.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { ResumeReport, SessionEvent, Tier } from '../../src/engine/types.ts';
import { describeExit } from '../../src/engine/ports.ts';
import type { Direction } from './frames.ts';
import type { TapEvent } from './tap.ts';

export type AgentStatus = 'asleep' | 'starting' | 'resuming' | 'live' | 'prompting' | 'dead';
export type HostStatus = 'opening' | 'awake' | 'asleep';

/** The stations a resume can pass, in order. */
export const STATIONS = ['initialize', 'session/resume', 'session/load', 'session/new', 'session/prompt'] as const;
export type Station = (typeof STATIONS)[number];
/** `absent`: the agent does not offer it. `doubted`: it claimed success, and the check said otherwise. */
export type StationState = 'idle' | 'absent' | 'trying' | 'ok' | 'doubted' | 'refused' | 'lost';

export interface Machine {
  readonly host: HostStatus;
  readonly agent: AgentStatus;
  /** The agent process the picture is about; null before the first. */
  readonly process: number | null;
  readonly stations: Readonly<Record<Station, StationState>>;
  /** Set from the report, when there is one. */
  readonly tier: Tier | null;
  /** The last thing that happened, in words. */
  readonly words: string;
  /** Requests under way: the key says which side asked. */
  readonly pending: Readonly<Record<string, Station>>;
}

export type MachineInput =
  { readonly type: 'host'; readonly status: HostStatus } | { readonly type: 'report'; readonly report: ResumeReport } | TapEvent;

const IDLE: Machine['stations'] = Object.freeze({
  initialize: 'idle',
  'session/resume': 'idle',
  'session/load': 'idle',
  'session/new': 'idle',
  'session/prompt': 'idle',
});

export const INITIAL_MACHINE: Machine = Object.freeze({
  host: 'opening',
  agent: 'asleep',
  process: null,
  stations: IDLE,
  tier: null,
  words: 'The host is opening its database.',
  pending: {},
});

const HOST_WORDS: Readonly<Record<HostStatus, string>> = {
  opening: 'The host is opening its database.',
  awake: 'The host is awake. No agent runs: one is started by the next prompt.',
  asleep: 'Everything live is gone. The session is in the database.',
};

export function reduceMachine(machine: Machine, input: MachineInput): Machine {
  switch (input.type) {
    case 'host':
      return input.status === 'awake' || input.status === 'opening'
        ? { ...INITIAL_MACHINE, host: input.status, words: HOST_WORDS[input.status] }
        : { ...machine, host: 'asleep', agent: 'asleep', pending: {}, words: HOST_WORDS.asleep };
    case 'report':
      return { ...machine, tier: input.report.tier, stations: doubt(machine.stations, input.report.tier) };
    case 'launching':
      return {
        ...machine,
        process: input.process,
        agent: 'starting',
        stations: IDLE,
        tier: null,
        pending: {},
        words: `Starting the agent ${input.agent}.`,
      };
    case 'launched':
      return input.process === machine.process ? { ...machine, words: `${input.agent} runs.` } : machine;
    case 'launch_failed':
      return input.process === machine.process
        ? { ...machine, agent: 'dead', words: `The agent could not start: ${message(input.error)}` }
        : machine;
    case 'frame':
      return input.process === machine.process ? onFrame(machine, input.direction, input.message) : machine;
    case 'exited':
      return input.process === machine.process ? onExit(machine, input) : machine;
  }
}

function onExit(machine: Machine, input: Extract<TapEvent, { type: 'exited' }>): Machine {
  const stations = { ...machine.stations };
  for (const station of Object.values(machine.pending)) stations[station] = 'lost';
  // An agent the host ended is asleep, however it had to be ended; any other end is a death.
  const asked = input.by === 'host' || machine.host !== 'awake';
  return {
    ...machine,
    agent: asked ? 'asleep' : 'dead',
    stations,
    pending: {},
    words: machine.host === 'asleep' ? machine.words : `The agent ${describeExit(input.exit)}.`,
  };
}

function onFrame(machine: Machine, direction: Direction, raw: AnyMessage): Machine {
  const m = raw as unknown as Record<string, unknown>;
  if (direction === 'to-agent' && typeof m['method'] === 'string' && m['id'] !== undefined) {
    const station = STATIONS.find((name) => name === m['method']);
    if (!station) return machine;
    return {
      ...machine,
      agent: asking(machine.agent, station),
      stations: { ...machine.stations, [station]: 'trying' },
      pending: { ...machine.pending, [JSON.stringify(m['id'])]: station },
      words: ASKING[station],
    };
  }
  if (direction === 'from-agent' && typeof m['method'] !== 'string' && m['id'] !== undefined) {
    const key = JSON.stringify(m['id']);
    const station = machine.pending[key];
    if (!station) return machine;
    const { [key]: _answered, ...pending } = machine.pending;
    const refused = 'error' in m;
    const offers = station === 'initialize' && !refused ? offered(m['result']) : {};
    return {
      ...machine,
      agent: answered(machine.agent, station, refused),
      stations: { ...machine.stations, ...offers, [station]: refused ? 'refused' : 'ok' },
      pending,
      words: refused ? `The agent refused ${station}: ${message(m['error'])}` : ANSWERED[station],
    };
  }
  return machine;
}

/** A native way back that answered well, and after which another tier was taken all the same. */
export function doubt(stations: Machine['stations'], tier: Tier): Machine['stations'] {
  const doubted = (station: Station, own: Tier): StationState =>
    stations[station] === 'ok' && tier !== own && tier !== 'live' ? 'doubted' : stations[station];
  return { ...stations, 'session/resume': doubted('session/resume', 'resume'), 'session/load': doubted('session/load', 'load') };
}

/** Which of the ways back the agent does not offer. */
function offered(result: unknown): Partial<Record<Station, StationState>> {
  const capabilities = (result as { agentCapabilities?: { loadSession?: unknown; sessionCapabilities?: { resume?: unknown } } } | null)
    ?.agentCapabilities;
  return {
    ...(capabilities?.sessionCapabilities?.resume ? {} : { 'session/resume': 'absent' as const }),
    ...(capabilities?.loadSession ? {} : { 'session/load': 'absent' as const }),
  };
}

function asking(agent: AgentStatus, station: Station): AgentStatus {
  switch (station) {
    case 'initialize':
      return 'starting';
    case 'session/resume':
    case 'session/load':
      return 'resuming';
    case 'session/new':
      // After a refused resume it is still the same coming back.
      return agent === 'resuming' ? 'resuming' : 'starting';
    case 'session/prompt':
      return 'prompting';
  }
}

function answered(agent: AgentStatus, station: Station, refused: boolean): AgentStatus {
  if (station === 'session/prompt') return 'live';
  if (station === 'initialize' || refused) return agent;
  return 'live';
}

const ASKING: Readonly<Record<Station, string>> = {
  initialize: 'Asking the agent what it can do.',
  'session/resume': 'Asking the agent to take the session up again, without a replay.',
  'session/load': 'Asking the agent to load the session and replay it.',
  'session/new': 'Asking the agent for a new session.',
  'session/prompt': 'The agent works on the prompt.',
};

const ANSWERED: Readonly<Record<Station, string>> = {
  initialize: 'The agent said what it can do.',
  'session/resume': 'The agent took the session up again.',
  'session/load': 'The agent loaded the session.',
  'session/new': 'The agent has a session.',
  'session/prompt': 'The turn ended. The agent is live.',
};

function message(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}

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

/** The machine of a session that is live in another tab, as far as the log tells: its wire is there. */
export function machineElsewhere({ report, turnOpen }: { readonly report: ResumeReport | null; readonly turnOpen: boolean }): Machine {
  return {
    ...INITIAL_MACHINE,
    host: 'awake',
    agent: turnOpen ? 'prompting' : 'live',
    tier: report?.tier ?? null,
    stations: report ? stationsOf(report) : INITIAL_MACHINE.stations,
    words: 'The agent runs in another tab of this page. What happens there is shown here as it is stored.',
  };
}

/** The stations a reported resume passed. */
export function stationsOf(report: ResumeReport): Machine['stations'] {
  const stations: Record<Station, StationState> = { ...INITIAL_MACHINE.stations, initialize: 'ok' };
  for (const attempt of report.attempts) {
    const state: StationState =
      attempt.outcome === 'ok' ? 'ok' : attempt.outcome === 'crash' || attempt.outcome === 'hang' ? 'lost' : 'refused';
    // A session that the agent forked is a new one of its own.
    stations[attempt.method === 'session/fork' ? 'session/new' : attempt.method] = state;
  }
  if (report.tier === 'new' || report.tier === 'transcript') stations['session/new'] = 'ok';
  return doubt(stations, report.tier);
}
