/**
 * The kinds of scripted agent. Each name is one way in which real agents behave or misbehave; its sentence is shown in the playground, and
 * a test holds the agent to it.
 */
import type { WireOptions } from '../../engine/protocol/v2-agent-side.ts';

export type UnknownShape = keyof typeof SHAPES;
export type FaultPhase = keyof typeof PHASES;
type PlainVariant = keyof typeof PLAIN;

export type AgentVariant = PlainVariant | `unknown:${UnknownShape}` | `hang-${FaultPhase}` | `crash-${FaultPhase}`;

/** What an agent does. `native` has the defaults. */
export interface Behaviour {
  readonly resume: boolean;
  readonly load: boolean;
  readonly list: boolean;
  readonly embeddedContext: boolean;
  /** `lost`: sessions live as long as the process. `prompted`: kept from the first prompt on. */
  readonly keeps: 'always' | 'prompted' | 'lost';
  readonly unknown: UnknownShape;
  /** Refuses sessions it has, as if it had lost them. */
  readonly refuses: boolean;
  /** Claims success for ids it never had. */
  readonly lies: boolean;
  readonly replay: {
    /** `load`: as the protocol says. `both`: on `session/resume` too. */
    readonly on: 'load' | 'both';
    readonly chunks: 'whole' | 'other';
    readonly ids: 'same' | 'fresh' | 'none';
    readonly times: 1 | 2;
    /** Only so many of the last messages. */
    readonly cap: number;
    /** Answers after the first replayed update and sends the rest afterwards. */
    readonly late: boolean;
  };
  /** Adds a turn to its store that the host never saw, as if the user had gone on in another client. */
  readonly foreignTurn: boolean;
  readonly messageIds: boolean;
  readonly nullLoad: boolean;
  readonly answersTwice: boolean;
  readonly unknownKinds: boolean;
  readonly requestsAtStart: boolean;
  readonly busy: boolean;
  readonly auth: boolean;
  readonly garbage: 'no' | 'between' | 'only';
  readonly stubborn: boolean;
  readonly fault: { readonly phase: FaultPhase; readonly how: 'hang' | 'crash' } | null;
  /** Which versions of ACP it speaks, and how well. */
  readonly versions: WireOptions & {
    /** The version that it says it speaks, where that is not the one it speaks. */
    readonly claims?: number;
    /** Answers with an error when it is asked for another version than 1. */
    readonly refusesOthers?: boolean;
  };
}

export const NATIVE: Behaviour = {
  resume: true,
  load: true,
  list: true,
  embeddedContext: true,
  keeps: 'always',
  unknown: 'spec',
  refuses: false,
  lies: false,
  replay: { on: 'load', chunks: 'whole', ids: 'same', times: 1, cap: Infinity, late: false },
  foreignTurn: false,
  messageIds: true,
  nullLoad: false,
  answersTwice: false,
  unknownKinds: false,
  requestsAtStart: false,
  busy: false,
  auth: false,
  garbage: 'no',
  stubborn: false,
  fault: null,
  versions: {},
};

export const CAPPED_REPLAY = 2;

interface VariantEntry {
  readonly description: string;
  readonly changes: Partial<Behaviour>;
}

const replay = (changes: Partial<Behaviour['replay']>): Behaviour['replay'] => ({ ...NATIVE.replay, ...changes });
/** They have no `session/resume`, so that the host goes by the replay. */
const replays = (changes: Partial<Behaviour['replay']>): Partial<Behaviour> => ({ resume: false, replay: replay(changes) });

const PLAIN = {
  native: { description: 'Keeps its own sessions, and can resume and load them.', changes: {} },
  load: { description: 'Keeps its own sessions and replays them with session/load; it has no session/resume.', changes: { resume: false } },
  amnesiac: {
    description: 'Knows only new sessions: it can neither resume, load nor list.',
    changes: { resume: false, load: false, list: false, keeps: 'lost' },
  },
  forgetful: {
    description: 'Says it can resume and load, but loses its store with its process and then knows no session.',
    changes: { keeps: 'lost' },
  },
  liar: {
    description: 'Claims success when it loads a session it never had, and replays nothing.',
    changes: { resume: false, list: false, keeps: 'lost', lies: true },
  },
  'liar-resume': {
    description: 'Claims success when it resumes or loads a session it never had, and cannot list.',
    changes: { list: false, keeps: 'lost', lies: true },
  },
  late: { description: 'Answers session/load after the first replayed update and sends the rest later.', changes: replays({ late: true }) },
  'replays-on-resume': {
    description: 'Replays the conversation on session/resume, where the protocol forbids it.',
    changes: { replay: replay({ on: 'both' }) },
  },
  'other-chunks': {
    description: 'Replays in other chunks and with other message ids than it streamed.',
    changes: replays({ chunks: 'other', ids: 'fresh' }),
  },
  'no-message-ids': {
    description: 'Streams and replays without message ids.',
    changes: { ...replays({ ids: 'none' }), messageIds: false },
  },
  'duplicate-replay': { description: 'Replays every message twice.', changes: replays({ times: 2 }) },
  capped: { description: `Replays only the last ${CAPPED_REPLAY} messages of a session.`, changes: replays({ cap: CAPPED_REPLAY }) },
  'foreign-turns': {
    description: 'Comes back with a turn more than the host knows, as if the user had gone on in another client.',
    changes: { resume: false, foreignTurn: true },
  },
  'null-load': { description: 'Answers session/load and session/resume with null instead of an object.', changes: { nullLoad: true } },
  'answers-twice': { description: 'Sends every response twice.', changes: { answersTwice: true } },
  'unknown-kinds': {
    description: 'Sends update kinds, fields and notifications that the protocol does not know.',
    changes: { unknownKinds: true },
  },
  'requests-at-start': {
    description: 'Asks the client things during initialize and session/new, and waits for the answers.',
    changes: { requestsAtStart: true },
  },
  'never-prompted-forgets': { description: 'Forgets a session that was never prompted.', changes: { keeps: 'prompted' } },
  'no-embedded': {
    description: 'Has neither resume nor load, and takes no embedded resources in a prompt.',
    changes: { resume: false, load: false, list: false, keeps: 'lost', embeddedContext: false },
  },
  busy: { description: 'Refuses to resume or load: the session is already open in another process.', changes: { busy: true } },
  auth: { description: 'Asks for authentication before it does anything with a session.', changes: { auth: true } },
  garbage: { description: 'Prints lines that are not JSON-RPC between its messages.', changes: { garbage: 'between' } },
  'garbage-only': { description: 'Prints nothing but lines that are not JSON-RPC.', changes: { garbage: 'only' } },
  'v1-only': { description: 'Speaks version 1 of ACP whatever it is asked for.', changes: { versions: { speaks: [1] } } },
  'v2-only': { description: 'Speaks version 2 of ACP whatever it is asked for.', changes: { versions: { speaks: [2] } } },
  'v2-in-name': {
    description: 'Says that it speaks version 2 of ACP, and goes on as in version 1.',
    changes: { versions: { speaks: [1], claims: 2 } },
  },
  'v2-refused': {
    description: 'Answers with the error −32022 when it is asked for another version of ACP than 1.',
    changes: { versions: { speaks: [1], refusesOthers: true } },
  },
  'v2-no-stop-reason': {
    description: 'In version 2 of ACP it does not say why a turn stopped.',
    changes: { versions: { stopReasons: false } },
  },
  'v2-late-snapshot': {
    description: 'In version 2 of ACP it tells its state after it has answered a resume, not before.',
    changes: { versions: { snapshot: 'after' } },
  },
  stubborn: { description: 'Stays when its input closes and when it is told to end; only a kill ends it.', changes: { stubborn: true } },
} satisfies Readonly<Record<string, VariantEntry>>;

interface Shape {
  readonly error: (sessionId: string, method: string) => readonly [code: number, message: string, data?: unknown];
  /** What stands after “Answers for a lost session with”. */
  readonly says: string;
  /** What else such an agent does. Unless this says otherwise, it has lost its sessions. */
  readonly changes?: Partial<Behaviour>;
}

const PROFILE = 'file:///etc/agent/profile.toml';

/** How agents word “I have no such session”. Every shape was seen in a real agent, or says the same in other words. */
const SHAPES = {
  spec: {
    says: 'the code −32002 and the session id, as the protocol asks',
    error: (sessionId) => [-32002, `Session not found: ${sessionId}`, { sessionId }],
  },
  claude: {
    says: 'the code −32002, “Resource not found” and the session id',
    error: (sessionId) => [-32002, 'Resource not found', { sessionId }],
  },
  nonuuid: {
    says: 'an internal error whose details ask for a valid session id',
    error: (id) => [
      -32603,
      'Internal error',
      { details: `--resume requires a valid session ID when used in this mode; "${id}" is not one` },
    ],
  },
  opencode: {
    says: 'an internal error that says only “service failure”; its list no longer shows the session',
    error: () => [-32603, 'Internal error: OpenCode service failure', { service: 'session' }],
  },
  'opencode-old': {
    says: 'an internal error with the detail “NotFoundError”',
    error: () => [-32603, 'Internal error', { details: 'NotFoundError' }],
  },
  pi: {
    says: 'the code −32602 and, as data, a string that names the unknown session id',
    error: (id) => [-32602, 'Invalid params', `Unknown sessionId: ${id}`],
  },
  goose: {
    says: 'the code −32002 and a string as data',
    error: (id) => [-32002, 'Resource not found', `Session not found: ${id}`],
  },
  cursor: {
    says: 'the code −32602 and the message that the session was not found',
    error: (id) => [-32602, `Session "${id}" not found`],
  },
  words: {
    says: 'an internal error that says in words that there is no such rollout',
    error: (id) => [-32603, 'Internal error', { details: `no rollout found for thread id ${id}` }],
  },
  'words-params': {
    says: 'the code −32602 that says in words that the conversation does not exist',
    error: (id) => [-32602, 'Bad request', { reason: `The conversation ${id} does not exist any more` }],
  },
  'method-missing': {
    says: '“method not found”, in spite of the capability it advertised',
    error: (_id, method) => [-32601, `"Method not found": ${method}`, { method }],
  },
  'other-resource': {
    says: 'the code −32002 for a file, which says nothing about the session',
    error: () => [-32002, `Resource not found: ${PROFILE}`, { uri: PROFILE }],
    changes: { keeps: 'always', refuses: true },
  },
  'opaque-but-listed': {
    says: 'an opaque internal error, although its list still shows the session',
    error: () => [-32603, 'Internal error', {}],
    changes: { keeps: 'always', refuses: true },
  },
  'opaque-no-list': {
    says: 'an opaque internal error, and it has no list to ask',
    error: () => [-32603, 'Internal error', {}],
    changes: { list: false },
  },
} satisfies Readonly<Record<string, Shape>>;

export const UNKNOWN_SHAPES = Object.keys(SHAPES) as readonly UnknownShape[];

/** Code, message and data of the JSON-RPC error that an agent of this shape gives for `method`. */
export const unknownSession = (shape: UnknownShape, sessionId: string, method: string) =>
  (SHAPES as Record<UnknownShape, Shape>)[shape].error(sessionId, method);

/** Where a `hang-…` or `crash-…` variant does it. */
const PHASES = {
  initialize: 'initialize',
  new: 'session/new',
  load: 'session/load',
  resume: 'session/resume',
  prompt: 'the first prompt of a process, after its first words',
} as const;
export const FAULT_PHASES = Object.keys(PHASES) as readonly FaultPhase[];

function allVariants(): Record<AgentVariant, VariantEntry> {
  const all: Partial<Record<AgentVariant, VariantEntry>> = { ...PLAIN };
  for (const shape of UNKNOWN_SHAPES) {
    const { says, changes }: Shape = SHAPES[shape];
    all[`unknown:${shape}`] = {
      description: `Answers for a lost session with ${says}.`,
      changes: { keeps: 'lost', unknown: shape, ...changes },
    };
  }
  for (const phase of FAULT_PHASES) {
    // An agent that fails in session/load must not be resumed instead.
    const only = phase === 'load' ? { resume: false } : {};
    all[`hang-${phase}`] = { description: `Never answers ${PHASES[phase]}.`, changes: { ...only, fault: { phase, how: 'hang' } } };
    all[`crash-${phase}`] = { description: `Crashes in ${PHASES[phase]}.`, changes: { ...only, fault: { phase, how: 'crash' } } };
  }
  return all as Record<AgentVariant, VariantEntry>;
}

const ALL = allVariants();

/** Every variant's name, in the order in which a list should show them. */
export const AGENT_VARIANTS = Object.keys(ALL) as readonly AgentVariant[];

/** One sentence for each variant. */
export const VARIANT_DESCRIPTIONS = Object.fromEntries(AGENT_VARIANTS.map((name) => [name, ALL[name].description])) as Readonly<
  Record<AgentVariant, string>
>;

/**
 * Whether there is a variant of this name.
 *
 * @example
 * isAgentVariant('liar'); // true
 */
export function isAgentVariant(name: string): name is AgentVariant {
  return Object.hasOwn(ALL, name);
}

/**
 * The switches of a variant.
 *
 * @example
 * behaviourOf('liar').load; // true: it advertises session/load
 */
export function behaviourOf(variant: AgentVariant): Behaviour {
  return { ...NATIVE, ...ALL[variant].changes };
}
