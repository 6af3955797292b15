/**
 * The live picture of prompt, database and agent, as a reducer over what the tap, the commits and the host report. It is drawn
 * from what crossed the wire and what was stored, and not asked of the engine, so that it shows what happened and nothing else.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { ResumeReport, SessionEvent, Tier } from '../../src/engine/types.ts';
import { describeExit } from '../../src/engine/ports.ts';
import { fieldsOf, roleOf } from '../../src/engine/protocol/updates.ts';
import { readCapabilities } from '../../src/engine/protocol/versions.ts';
import type { Direction } from './frames.ts';
import type { TapEvent } from './tap.ts';

export type AgentStatus = 'asleep' | 'starting' | 'resuming' | 'live' | 'prompting' | 'dead';
export type HostStatus = 'opening' | 'awake' | 'asleep';

/** The stations a resume can pass, in order. */
export const STATIONS = ['initialize', 'session/resume', 'session/load', 'session/new', 'session/prompt'] as const;
export type Station = (typeof STATIONS)[number];
/** `absent`: the agent does not offer it. `doubted`: it claimed success, and the check said otherwise. */
export type StationState = 'idle' | 'absent' | 'trying' | 'ok' | 'doubted' | 'refused' | 'lost';

/** How far a prompt has come, in the order that I1 and I2 promise. */
export const LEGS = ['stored', 'sent', 'answer stored', 'shown'] as const;

/** An agent process of this page. */
export interface Process {
  readonly number: number;
  readonly agent: string;
  /** `ended`: the host put it to sleep. `died`: nobody who should have asked it to. */
  readonly state: 'runs' | 'ended' | 'died';
  readonly words: string;
}

export interface Machine {
  readonly host: HostStatus;
  readonly agent: AgentStatus;
  /** The agent process the picture is about; null before the first. */
  readonly process: number | null;
  /** The newest processes, the one the picture is about last. */
  readonly processes: readonly Process[];
  readonly stations: Readonly<Record<Station, StationState>>;
  /** How many of `LEGS` the newest prompt has behind it. */
  readonly legs: number;
  /** Set from the report, when there is one. */
  readonly tier: Tier | null;
  /** The last thing that happened, in words. */
  readonly words: string;
  /** Requests under way: the key says which side asked. */
  readonly pending: Readonly<Record<string, Station>>;
}

export type MachineInput =
  | { readonly type: 'host'; readonly status: HostStatus }
  | { readonly type: 'report'; readonly report: ResumeReport }
  /** A commit of the prompt on its way, or of what came of it. */
  | { readonly type: 'committed'; readonly notes: readonly string[] }
  /** The answer, as far as it is stored, is on the page. */
  | { readonly type: 'shown' }
  | TapEvent;

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
  processes: [],
  stations: IDLE,
  legs: 0,
  tier: null,
  words: 'The host is opening its database.',
  pending: {},
});

/** How many processes are remembered. */
const PROCESSES = 3;

const HOST_WORDS: Readonly<Record<HostStatus, string>> = {
  opening: 'The host is opening its database.',
  awake: 'The host is awake. No agent runs: the next prompt starts one.',
  asleep: 'Host and agent are gone. The session is in the database, and the next prompt brings it back.',
};

export function reduceMachine(machine: Machine, input: MachineInput): Machine {
  switch (input.type) {
    case 'host': {
      const { processes } = machine;
      const words = HOST_WORDS[input.status];
      if (input.status !== 'asleep') return { ...INITIAL_MACHINE, host: input.status, processes, words };
      return { ...INITIAL_MACHINE, host: 'asleep', process: machine.process, processes: processes.map(slept), words };
    }
    case 'report':
      return { ...machine, tier: input.report.tier, stations: doubt(machine.stations, input.report.tier) };
    case 'committed':
      if (input.notes.includes('turn_started')) return { ...machine, legs: 1 };
      return machine.legs >= 2 && input.notes.includes('update') ? { ...machine, legs: 3 } : machine;
    case 'shown':
      return machine.legs === 3 ? { ...machine, legs: 4 } : machine;
    case 'launching': {
      const fresh: Process = { number: input.process, agent: input.agent, state: 'runs', words: 'runs' };
      return {
        ...machine,
        process: input.process,
        processes: [...machine.processes, fresh].slice(-PROCESSES),
        agent: 'starting',
        stations: IDLE,
        legs: 0,
        tier: null,
        pending: {},
        words: `Starting the agent ${input.agent} as process ${input.process}.`,
      };
    }
    case 'launched':
      return input.process === machine.process ? { ...machine, words: `Process ${input.process} runs.` } : machine;
    case 'launch_failed': {
      const ended = withEnd(machine, input.process, 'died', 'could not start');
      return input.process === machine.process
        ? { ...ended, agent: 'dead', words: `The agent could not start: ${message(input.error)}` }
        : ended;
    }
    case 'frame':
      return input.process === machine.process ? onFrame(machine, input.direction, input.message) : machine;
    case 'exited':
      return onExit(machine, input);
  }
}

const slept = (process: Process): Process => (process.state === 'runs' ? { ...process, state: 'ended', words: 'put to sleep' } : process);

function withEnd(machine: Machine, number: number, state: 'ended' | 'died', words: string): Machine {
  return {
    ...machine,
    processes: machine.processes.map((one) => (one.number === number && one.state === 'runs' ? { ...one, state, words } : one)),
  };
}

function onExit(machine: Machine, input: Extract<TapEvent, { type: 'exited' }>): Machine {
  // An agent the host ended is asleep, however it had to be ended; any other end is a death.
  const asked = input.by === 'host' || machine.host !== 'awake';
  const words = describeExit(input.exit);
  const ended = withEnd(machine, input.process, asked ? 'ended' : 'died', asked ? 'put to sleep' : words);
  if (input.process !== machine.process) return ended;
  const stations = { ...machine.stations };
  for (const station of Object.values(machine.pending)) stations[station] = 'lost';
  return {
    ...ended,
    agent: asked ? 'asleep' : 'dead',
    stations,
    pending: {},
    words: machine.host === 'asleep' ? machine.words : `Process ${input.process} is gone: the agent ${words}.`,
  };
}

function onFrame(machine: Machine, direction: Direction, raw: AnyMessage): Machine {
  const m = fieldsOf(raw);
  const asks = typeof m['method'] === 'string';
  if (direction === 'to-agent' && asks && m['id'] !== undefined) {
    const station = STATIONS.find((name) => name === m['method']);
    if (!station) return machine;
    return {
      ...machine,
      agent: asking(machine.agent, station),
      stations: { ...machine.stations, [station]: 'trying' },
      legs: station === 'session/prompt' ? 2 : machine.legs,
      pending: { ...machine.pending, [JSON.stringify(m['id'])]: station },
      words: WORDS[station].asks,
    };
  }
  if (direction !== 'from-agent') return machine;
  // In version 2 a prompt is answered when it is inserted, and its turn is over when the agent is idle again.
  const { sessionUpdate, state } = fieldsOf(fieldsOf(m['params'])['update']);
  if (sessionUpdate === 'state_update' && state === 'idle' && machine.agent === 'prompting')
    return { ...machine, agent: 'live', words: WORDS['session/prompt'].answered };
  if (asks || m['id'] === undefined) return machine;
  const key = JSON.stringify(m['id']);
  const station = machine.pending[key];
  if (!station) return machine;
  const { [key]: _answered, ...pending } = machine.pending;
  const refused = 'error' in m;
  const offers = station === 'initialize' && !refused ? offered(m['result']) : {};
  if (station === 'session/prompt' && !refused && !('stopReason' in fieldsOf(m['result'])))
    return { ...machine, stations: { ...machine.stations, [station]: 'ok' }, pending };
  return {
    ...machine,
    agent: answered(machine.agent, station, refused),
    stations: { ...machine.stations, ...offers, [station]: refused ? 'refused' : 'ok' },
    pending,
    words: refused ? `The agent refused ${station}: ${message(m['error'])}` : WORDS[station].answered,
  };
}

/** The frame is a word of the agent's answer. */
export function isAnswer(event: TapEvent): boolean {
  if (event.type !== 'frame' || event.direction !== 'from-agent') return false;
  return roleOf(fieldsOf(fieldsOf(event.message)['params'])['update']) === 'agent';
}

/** A native way back that answered well, and after which another tier was taken all the same. */
function doubt(stations: Machine['stations'], tier: Tier): Machine['stations'] {
  const doubted = (station: Station, own: Tier): StationState =>
    stations[station] === 'ok' && tier !== own && tier !== 'live' ? 'doubted' : stations[station];
  return { ...stations, 'session/resume': doubted('session/resume', 'resume'), 'session/load': doubted('session/load', 'load') };
}

/** Which of the ways back the agent does not offer. */
function offered(result: unknown): Partial<Record<Station, StationState>> {
  const { agentCapabilities, capabilities } = fieldsOf(result);
  const { canResume, canLoad } = readCapabilities(agentCapabilities ?? capabilities);
  return {
    ...(canResume ? {} : { 'session/resume': 'absent' as const }),
    // Version 2 has none: its session/resume can replay.
    ...(canLoad && capabilities === undefined ? {} : { 'session/load': 'absent' as const }),
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

const WORDS: Readonly<Record<Station, { readonly asks: string; readonly answered: string }>> = {
  initialize: { asks: 'Asking the agent what it can do.', answered: 'The agent said what it can do.' },
  'session/resume': {
    asks: 'Asking the agent to take the session up again, without a replay.',
    answered: 'The agent says that it has the session again.',
  },
  'session/load': {
    asks: 'Asking the agent to load the session and replay it.',
    answered: 'The agent says that it has loaded the session.',
  },
  'session/new': { asks: 'Asking the agent for a new session.', answered: 'The agent has a new session.' },
  'session/prompt': { asks: 'The agent works on the prompt.', answered: 'The turn ended. The agent is live.' },
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
        machine = { ...machine, agent: 'prompting', legs: 2, words: 'A turn was running.' };
        break;
      case 'update':
        if (machine.agent === 'prompting' && roleOf(event.payload) === 'agent') machine = { ...machine, legs: 4 };
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
          legs: 0,
          stations: IDLE,
          words: `The agent ${describeExit(event.payload)}.`,
        };
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
    legs: turnOpen ? 2 : 4,
    tier: report?.tier ?? null,
    stations: report ? stationsOf(report) : IDLE,
    words: 'The agent runs in another tab of this page. What happens there is shown here as it is stored.',
  };
}

/** The stations a reported resume passed. */
function stationsOf(report: ResumeReport): Machine['stations'] {
  const stations: Record<Station, StationState> = { ...IDLE, initialize: 'ok' };
  for (const { method, outcome } of report.attempts)
    // A session that the agent forked is a new one of its own.
    stations[method === 'session/fork' ? 'session/new' : method] =
      outcome === 'ok' ? 'ok' : outcome === 'crash' || outcome === 'hang' ? 'lost' : 'refused';
  if (report.tier === 'new' || report.tier === 'transcript') stations['session/new'] = 'ok';
  return doubt(stations, report.tier);
}
