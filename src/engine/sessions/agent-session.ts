/**
 * The agent's side of a session: which session of its own that is, what it last reported of it, and what becomes of what it says.
 */
import { learn, type ReportedState } from '../protocol/reported-state.ts';
import type { AgentUpdate } from '../protocol/agent-protocol.ts';
import type { NewEvent } from '../storage/statements.ts';
import { createRedactor } from '../transcript/redact.ts';
import type { SessionUpdate } from '../types.ts';
import type { Config } from './config.ts';
import type { CreateOptions } from './host.ts';
import type { Replay } from './replay.ts';
import type { SecretValues } from './secrets.ts';
import type { Wishes } from './settings.ts';

/** What stays the same from the start of an agent to its end. */
export interface SessionContext {
  readonly sessionId: string;
  readonly agent: string;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  readonly secrets: SecretValues;
  /** Replaces known secret values: in all that is stored, and in what a caller is told in the agent's words. */
  readonly redact: <T>(value: T) => T;
}

export function contextOf(
  config: Config,
  sessionId: string,
  { agent, cwd, additionalDirectories = [] }: Pick<CreateOptions, 'agent' | 'cwd' | 'additionalDirectories'>,
  secrets: SecretValues,
): SessionContext {
  const redact = createRedactor([...secrets.known, ...config.knownSecrets]);
  return { sessionId, agent, cwd, additionalDirectories, secrets, redact };
}

export interface UpdateWithMeta {
  readonly update: SessionUpdate;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** An update as it goes into the log: unless it says otherwise between turns, and said by the agent. */
export interface LoggedUpdate extends UpdateWithMeta {
  readonly turnId?: string | null;
  readonly origin?: 'host' | 'agent' | 'import';
}

/** It is being found out how the agent has the session. Until that is written down, what it says is kept. */
export interface Opening {
  readonly kind: 'opening';
  /** Null while the agent is about to name it. */
  id: string | null;
  /** Takes what it says as a replay of what it said before. */
  replay: Replay | null;
  /** Of its state the last word of each kind, which becomes part of what is found if it is news. */
  readonly state: Map<string, UpdateWithMeta>;
  /** Everything else, which follows that into the log. */
  held: AgentUpdate[];
  heldBytes: number;
}

export interface Open {
  readonly kind: 'open';
  readonly id: string;
  /** Until the first prompt, where it may still replay. */
  late: LateReplay | null;
}

export interface LateReplay {
  readonly replay: Replay;
  /** Since when, and for how long still, what came waits to be told from a replay. */
  settling: { readonly began: number; readonly timer: ReturnType<typeof setTimeout> } | null;
}

/** It is to be found out, perhaps anew. */
export const opening = (): Opening => ({ kind: 'opening', id: null, replay: null, state: new Map(), held: [], heldBytes: 0 });

/** What names another session than this one. */
export const isForeign = ({ agentSessionId }: AgentUpdate, id: string): boolean => agentSessionId !== undefined && agentSessionId !== id;

/** The agent's side of a session: which session of its own that is, and what it last reported of it. */
export class AgentSession {
  readonly context: SessionContext;
  reported: ReportedState;
  /** What the user last asked for. */
  wishes: Wishes;
  /** The preamble that it was given. */
  preamble: string | null = null;
  hearing: Opening | Open = opening();

  constructor(context: SessionContext, reported: ReportedState, wishes: Wishes) {
    this.context = context;
    this.reported = reported;
    this.wishes = wishes;
  }

  get id(): string {
    const { id } = this.hearing;
    if (id === null) throw new Error(`session ${this.context.sessionId}: its agent session has no name yet`);
    return id;
  }

  get opening(): Opening {
    if (this.hearing.kind === 'open') throw new Error(`session ${this.context.sessionId}: it is open already`);
    return this.hearing;
  }

  get replay(): Replay | null {
    return this.hearing.kind === 'opening' ? this.hearing.replay : (this.hearing.late?.replay ?? null);
  }

  /** The agent is about to name a session of its own: what it says until then belongs to that. */
  awaitName(): void {
    Object.assign(this.opening, { id: null, replay: null });
  }

  /** What comes from here on is no late replay. */
  endReplay(): void {
    if (this.hearing.kind === 'opening') return;
    clearTimeout(this.hearing.late?.settling?.timer);
    this.hearing.late = null;
  }

  /** What a client says about the session, as the agent knows it. */
  toAgent<T>(value: T): T {
    return exchangeIds(value, this.context.sessionId, this.hearing.id);
  }

  /** The other way round. */
  fromAgent<T>(value: T): T {
    return exchangeIds(value, this.hearing.id, this.context.sessionId);
  }

  redacted({ update, meta }: AgentUpdate): UpdateWithMeta {
    const { redact } = this.context;
    return { update: redact(update), meta: meta && redact(meta) };
  }

  /** What the update says of the state that was not known; null when that is nothing. */
  learn(update: SessionUpdate): Partial<ReportedState> | null {
    const learnt = learn(this.reported, update);
    if (learnt) this.reported = { ...this.reported, ...learnt };
    return learnt;
  }

  /** Whether it is a title made of the preamble's first words: it says nothing about the session. */
  isTitleOfPreamble(update: SessionUpdate): boolean {
    if (this.preamble === null || update.sessionUpdate !== 'session_info_update' || typeof update.title !== 'string') return false;
    const words = update.title.replace(/(…|\.\.\.)\s*$/, '').replace(/\s+/g, '');
    return words.length >= MIN_TITLE_CHARS && this.preamble.replace(/\s+/g, '').includes(words);
  }

  /** State that says something which was not known `before`, and still holds. */
  newsSince(before: ReportedState): readonly UpdateWithMeta[] {
    return [...this.opening.state.values()].filter(({ update }) => learn(before, update) !== null && learn(this.reported, update) === null);
  }

  /** The same, and what was known and is otherwise by the agent's answers: whoever follows the session has it from the log. */
  changesSince(before: ReportedState): readonly UpdateWithMeta[] {
    const said = this.newsSince(before);
    const known = said.reduce((state, { update }) => ({ ...state, ...learn(state, update) }), before);
    const { modes, configOptions } = this.reported;
    const answered: SessionUpdate[] = [];
    if (known.modes && modes) answered.push({ sessionUpdate: 'current_mode_update', currentModeId: modes.currentModeId });
    // What was known comes from the row, which has no secrets.
    if (known.configOptions && configOptions)
      answered.push({ sessionUpdate: 'config_option_update', configOptions: this.context.redact([...configOptions]) });
    return [...said, ...answered.filter((update) => learn(known, update) !== null).map((update) => ({ update }))];
  }
}

/** A title of fewer characters may stand anywhere by chance. */
const MIN_TITLE_CHARS = 12;

export const inTurn = (turnId: string | null, items: readonly UpdateWithMeta[]): LoggedUpdate[] =>
  items.map((item) => ({ ...item, turnId }));

/** Updates as events of the log. */
export function updateEvents(items: readonly LoggedUpdate[], at: number): NewEvent[] {
  return items.map(({ update: payload, meta, turnId = null, origin = 'agent' }): NewEvent => {
    const event = { kind: 'update', turnId, at, origin, payload } as const;
    return meta ? { ...event, meta } : event;
  });
}

/** Replaces one side's session id by the other's, where it is the value of a `sessionId`. */
function exchangeIds<T>(value: T, from: string | null, to: string | null, depth = 0): T {
  if (from === null || to === null || typeof value !== 'object' || value === null || depth > ID_LEVELS) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => exchangeIds(item, from, to, depth + 1)) as T;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [
      key,
      key === 'sessionId' && item === from ? to : exchangeIds(item, from, to, depth + 1),
    ]),
  ) as T;
}

/** How deep in a message a session id is looked for. */
const ID_LEVELS = 4;
