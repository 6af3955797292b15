/** The state of prompt, database and agent for the live diagram: a reducer over wire messages, commits and the host's state. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import {
  describeExit,
  type AgentExit,
  type AttemptOutcome,
  type ResumeReport,
  type SessionEvent,
  type Tier,
} from '../../src/engine/index.ts';
import { fieldsOf } from '../../src/engine/objects.ts';
import { roleOf } from '../../src/engine/protocol/updates.ts';
import { readCapabilities } from '../../src/engine/protocol/versions.ts';
import type { Direction } from './frames.ts';
import { errorWords } from './words.ts';

export type AgentStatus = 'asleep' | 'starting' | 'resuming' | 'live' | 'prompting' | 'dead';
export type HostStatus = 'opening' | 'awake' | 'asleep';

export const STATIONS = ['initialize', 'session/resume', 'session/load', 'session/new', 'session/prompt'] as const;
type Station = (typeof STATIONS)[number];
/** `absent`: the agent does not offer it. `doubted`: the agent claimed success, but the engine did not accept it. */
export type StationState = 'idle' | 'absent' | 'trying' | 'ok' | 'doubted' | 'refused' | 'lost';
type Stations = Readonly<Record<Station, StationState>>;

/** How far a prompt has come, in the order of I1 and I2. */
export const LEGS = ['stored', 'sent', 'answer stored', 'shown'] as const;

export interface Process {
  readonly number: number;
  readonly agent: string;
  /** `ended`: the host ended it. `died`: it ended for any other reason. */
  readonly state: 'runs' | 'ended' | 'died';
  readonly words: string;
}

export interface Machine {
  readonly host: HostStatus;
  readonly agent: AgentStatus;
  /** The diagram shows the last one. */
  readonly processes: readonly Process[];
  readonly stations: Stations;
  /** How many of `LEGS` the newest prompt has completed. */
  readonly legs: number;
  readonly words: string;
  readonly pending: Readonly<Record<string, Station>>;
}

export type EndedBy = 'host' | 'button' | 'itself';

export type TapEvent = { readonly process: number; readonly agent: string } & (
  | { readonly type: 'launching' | 'launched' }
  | { readonly type: 'launch_failed'; readonly error: unknown }
  | { readonly type: 'frame'; readonly direction: Direction; readonly message: AnyMessage }
  | { readonly type: 'exited'; readonly exit: AgentExit; readonly by: EndedBy }
);

export type MachineInput =
  | { readonly type: 'host'; readonly status: HostStatus }
  | { readonly type: 'came back'; readonly tier: Tier }
  | { readonly type: 'committed'; readonly notes: readonly string[] }
  | { readonly type: 'shown' }
  | TapEvent;

const IDLE = Object.fromEntries(STATIONS.map((station) => [station, 'idle'])) as Stations;

const HOST_WORDS: Readonly<Record<HostStatus, string>> = {
  opening: 'The host is opening its database.',
  awake: 'The host is awake. No agent runs: the next prompt starts one.',
  asleep: 'Host and agent are gone. The session is in the database, and the next prompt brings it back.',
};

export const INITIAL_MACHINE: Machine = {
  host: 'opening',
  agent: 'asleep',
  processes: [],
  stations: IDLE,
  legs: 0,
  words: HOST_WORDS.opening,
  pending: {},
};

const PROCESSES = 2;

export function reduceMachine(machine: Machine, input: MachineInput): Machine {
  switch (input.type) {
    case 'host': {
      const { status: host } = input;
      const next = { ...INITIAL_MACHINE, host, processes: machine.processes, words: HOST_WORDS[host] };
      if (host !== 'asleep') return next;
      return machine.processes.reduce((all, { number }) => withEnd(all, number, 'ended', 'put to sleep'), next);
    }
    case 'came back':
      return { ...machine, stations: doubt(machine.stations, input.tier) };
    case 'committed':
      if (input.notes.includes('turn_started')) return { ...machine, legs: 1 };
      return machine.legs >= 2 && input.notes.includes('update') ? { ...machine, legs: 3 } : machine;
    case 'shown':
      return machine.legs === 3 ? { ...machine, legs: 4 } : machine;
    case 'launching':
      // A process that is launched while one runs may only be asked for its capabilities.
      return machine.processes.at(-1)?.state === 'runs' ? machine : begun(machine, input);
    case 'launched':
      return isShown(machine, input) ? { ...machine, words: `Process ${input.process} runs.` } : machine;
    case 'launch_failed': {
      const ended = withEnd(machine, input.process, 'died', 'could not start');
      if (!isShown(machine, input)) return ended;
      return { ...ended, agent: 'dead', words: `The agent could not start: ${errorWords(input.error)}` };
    }
    case 'frame':
      if (isShown(machine, input)) return onFrame(machine, input.direction, input.message);
      // The first session request to another process means that the session moves to it.
      return input.direction === 'to-agent' && isOfSession(input.message)
        ? onFrame({ ...begun(machine, input), stations: { ...IDLE, initialize: 'ok' } }, input.direction, input.message)
        : machine;
    case 'exited': {
      // An agent that the host ended counts as asleep, even if it had to be killed.
      const asked = input.by === 'host' || machine.host !== 'awake';
      const words = describeExit(input.exit);
      const ended = asked ? withEnd(machine, input.process, 'ended', 'put to sleep') : withEnd(machine, input.process, 'died', words);
      if (!isShown(machine, input)) return ended;
      const lost = Object.fromEntries(Object.values(machine.pending).map((station) => [station, 'lost']));
      return {
        ...ended,
        agent: asked ? 'asleep' : 'dead',
        stations: { ...machine.stations, ...lost },
        pending: {},
        words: machine.host === 'asleep' ? machine.words : `Process ${input.process} is gone: the agent ${words}.`,
      };
    }
  }
}

const isShown = ({ processes }: Machine, { process }: TapEvent): boolean => processes.at(-1)?.number === process;

function begun(machine: Machine, { process, agent }: TapEvent): Machine {
  const others = machine.processes.filter(({ number }) => number !== process);
  return {
    ...INITIAL_MACHINE,
    host: machine.host,
    processes: [...others, { number: process, agent, state: 'runs' as const, words: 'runs' }].slice(-PROCESSES),
    agent: 'starting',
    words: `Starting the agent ${agent} as process ${process}.`,
  };
}

function withEnd(machine: Machine, number: number, state: 'ended' | 'died', words: string): Machine {
  const end = (one: Process): Process => (one.number === number && one.state === 'runs' ? { ...one, state, words } : one);
  return { ...machine, processes: machine.processes.map(end) };
}

const ABOUT: Readonly<Record<Station, { readonly status: AgentStatus; readonly asks: string; readonly answered: string }>> = {
  initialize: { status: 'starting', asks: 'Asking the agent what it can do.', answered: 'The agent said what it can do.' },
  'session/resume': {
    status: 'resuming',
    asks: 'Asking the agent to resume the session, without a replay.',
    answered: 'The agent says that it resumed the session.',
  },
  'session/load': {
    status: 'resuming',
    asks: 'Asking the agent to load the session and replay it.',
    answered: 'The agent says that it has loaded the session.',
  },
  'session/new': { status: 'starting', asks: 'Asking the agent for a new session.', answered: 'The agent has a new session.' },
  'session/prompt': { status: 'prompting', asks: 'The agent works on the prompt.', answered: 'The turn ended. The agent is live.' },
};

function onFrame(machine: Machine, direction: Direction, message: AnyMessage): Machine {
  const { id, method, params, result, error } = fieldsOf(message);
  const key = JSON.stringify(id);
  const station = STATIONS.find((name) => name === method);
  if (direction === 'to-agent') {
    if (!station || id === undefined) return machine;
    // A new agent session after a failed resume is still part of resuming.
    const goesOn = station === 'session/new' && machine.agent === 'resuming';
    return {
      ...machine,
      agent: goesOn ? 'resuming' : ABOUT[station].status,
      stations: { ...machine.stations, [station]: 'trying' },
      legs: station === 'session/prompt' ? 2 : machine.legs,
      pending: { ...machine.pending, [key]: station },
      words: ABOUT[station].asks,
    };
  }
  // Version 2 answers a prompt when it is inserted; its turn ends when the agent is idle.
  const { sessionUpdate, state } = fieldsOf(fieldsOf(params)['update']);
  if (sessionUpdate === 'state_update' && state === 'idle' && machine.agent === 'prompting')
    return { ...machine, agent: 'live', words: ABOUT['session/prompt'].answered };
  const { [key]: answered, ...pending } = machine.pending;
  if (method !== undefined || !answered) return machine;
  const next = { ...machine, pending, stations: { ...machine.stations, [answered]: error === undefined ? 'ok' : 'refused' } };
  if (error !== undefined)
    return {
      ...next,
      agent: answered === 'session/prompt' ? 'live' : machine.agent,
      words: `The agent refused ${answered}: ${String(fieldsOf(error)['message'])}`,
    };
  if (answered === 'session/prompt' && !('stopReason' in fieldsOf(result))) return next;
  const words = ABOUT[answered].answered;
  return answered === 'initialize'
    ? { ...next, words, stations: { ...next.stations, ...notOffered(result) } }
    : { ...next, words, agent: 'live' };
}

export function isOfSession(message: AnyMessage): boolean {
  const { method } = fieldsOf(message);
  return method !== 'initialize' && STATIONS.some((station) => station === method);
}

export function isAnswer(event: TapEvent): boolean {
  if (event.type !== 'frame' || event.direction !== 'from-agent') return false;
  return roleOf(fieldsOf(fieldsOf(event.message)['params'])['update']) === 'agent';
}

/** Marks a native method that succeeded but did not become the tier. */
function doubt(stations: Stations, tier: Tier): Stations {
  const doubted = (station: Station, own: Tier): StationState =>
    stations[station] === 'ok' && tier !== own && tier !== 'live' ? 'doubted' : stations[station];
  return { ...stations, 'session/resume': doubted('session/resume', 'resume'), 'session/load': doubted('session/load', 'load') };
}

/** Version 2 has no `session/load`, because its `session/resume` can replay. */
function notOffered(result: unknown): Partial<Stations> {
  const { agentCapabilities, capabilities } = fieldsOf(result);
  const { canResume, canLoad } = readCapabilities(agentCapabilities ?? capabilities);
  return { ...(canResume ? {} : { 'session/resume': 'absent' }), ...(canLoad && !capabilities ? {} : { 'session/load': 'absent' }) };
}

/** The start for a machine told from the log alone: for the past, or for another tab's session, whose wire this tab does not see. */
export const TOLD_MACHINE: Machine = { ...INITIAL_MACHINE, host: 'awake', words: 'Nothing had happened yet.' };

export function toldMachine(machine: Machine, event: SessionEvent): Machine {
  switch (event.kind) {
    case 'turn_started':
      return { ...machine, agent: 'prompting', legs: 2, words: 'A turn was running.' };
    case 'update':
      return machine.agent === 'prompting' && machine.legs < 4 && roleOf(event.payload) === 'agent' ? { ...machine, legs: 4 } : machine;
    case 'resumed':
      return {
        ...machine,
        agent: machine.agent === 'prompting' ? 'prompting' : 'live',
        stations: stationsOf(event.payload),
        words: 'The session had just become live.',
      };
    case 'turn_ended':
      return event.payload.state === 'interrupted'
        ? { ...machine, agent: 'dead', words: 'The turn was interrupted.' }
        : { ...machine, agent: 'live', words: 'The turn had ended.' };
    case 'agent_exited': {
      const agent = event.payload.kind === 'ended' ? 'asleep' : 'dead';
      return { ...machine, agent, legs: 0, stations: IDLE, words: `The agent ${describeExit(event.payload)}.` };
    }
    default:
      return machine;
  }
}

const STATE_AFTER: Partial<Record<AttemptOutcome, StationState>> = { ok: 'ok', unproven: 'doubted', crash: 'lost', hang: 'lost' };

function stationsOf({ attempts, tier }: ResumeReport): Stations {
  const stations: Record<Station, StationState> = { ...IDLE, initialize: 'ok' };
  for (const { method, outcome } of attempts)
    // A fork that the agent makes is a new session to it.
    stations[method === 'session/fork' ? 'session/new' : method] = STATE_AFTER[outcome] ?? 'refused';
  if (tier === 'new' || tier === 'transcript') stations['session/new'] = 'ok';
  return doubt(stations, tier);
}
