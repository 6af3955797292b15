/**
 * The agent's side of a session: which of the agent's own sessions it is, what the agent last reported about it, and where what the agent
 * says goes.
 */
import { RehydrateError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { AgentUpdate } from '../protocol/agent-protocol.ts';
import { learn, type ReportedState } from '../protocol/reported-state.ts';
import { classOf } from '../protocol/updates.ts';
import { createRedactor } from '../transcript/redact.ts';
import { utf8Length } from '../transcript/text.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';
import type { Config } from './config.ts';
import type { CreateOptions } from './host.ts';
import type { UpdateWithMeta } from './logged-updates.ts';
import type { LateReplay, Replay } from './replay.ts';
import type { SecretValues } from './secrets.ts';
import type { RequestedSettings } from './settings.ts';

/** What stays the same from an agent's start to its end. */
export interface SessionContext {
  readonly sessionId: string;
  readonly agent: string;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  readonly secrets: SecretValues;
  readonly limits: Pick<Limits, 'queuedEvents' | 'queuedBytes'>;
  /** Replaces known secret values: in everything that is stored, and in what a caller is told in the agent's words. */
  readonly redact: <T>(value: T) => T;
}

export function contextOf(
  config: Config,
  sessionId: string,
  { agent, cwd, additionalDirectories = [] }: Pick<CreateOptions, 'agent' | 'cwd' | 'additionalDirectories'>,
  secrets: SecretValues,
): SessionContext {
  const redact = createRedactor([...secrets.known, ...config.knownSecrets]);
  return { sessionId, agent, cwd, additionalDirectories, secrets, limits: config.limits, redact };
}

/** What the agent says while the session is being opened: it waits until the log says how the agent has it. */
interface Opening {
  /** The last report of each kind of state. */
  readonly state: Map<string, UpdateWithMeta>;
  /** Everything else. */
  readonly held: AgentUpdate[];
  heldBytes: number;
}

type Intake =
  /** The agent is about to name one: what it says until then belongs to that one. */
  | { readonly kind: 'unnamed'; readonly opening: Opening }
  /** The agent was asked for this one; `replay` takes what it says as a replay of what was said before. */
  | { readonly kind: 'named'; readonly id: string; readonly replay: Replay | null; readonly opening: Opening }
  /** How the agent has it is on its way into the log, and what the agent says goes to `hear`. Until the first prompt it may still replay. */
  | { readonly kind: 'open'; readonly id: string; readonly replay: Replay | null; readonly hear: (item: AgentUpdate) => void };

const unnamed = (): Intake => ({ kind: 'unnamed', opening: { state: new Map(), held: [], heldBytes: 0 } });

export const isForeign = (named: unknown, id: string): boolean => named !== undefined && named !== null && named !== id;

export class AgentSession {
  readonly context: SessionContext;
  reported: ReportedState;
  requested: RequestedSettings;
  /** The one that the agent was given. */
  preamble: readonly ContentBlock[] | null = null;
  private intake: Intake = unnamed();

  constructor(context: SessionContext, reported: ReportedState, requested: RequestedSettings) {
    this.context = context;
    this.reported = reported;
    this.requested = requested;
  }

  get id(): string {
    const { ownId } = this;
    if (ownId === null) throw new Error(`session ${this.context.sessionId}: its agent session has no name yet`);
    return ownId;
  }

  /** The same; null while the agent has not named it yet. */
  get ownId(): string | null {
    return this.intake.kind === 'unnamed' ? null : this.intake.id;
  }

  get replay(): Replay | null {
    return this.intake.kind === 'unnamed' ? null : this.intake.replay;
  }

  get isOpen(): boolean {
    return this.intake.kind === 'open';
  }

  private get opening(): Opening {
    if (this.intake.kind === 'open') throw new Error(`session ${this.context.sessionId}: it is open already`);
    return this.intake.opening;
  }

  // -------------------------------------------------------------- from its first word until it is open

  reopen(): void {
    this.intake = unnamed();
  }

  /** The agent is asked to make a session of its own. Gives the function to call with its name. */
  awaitName(): (id: string, replay?: Replay | null) => void {
    this.intake = { kind: 'unnamed', opening: this.opening };
    return (id, replay = null) => {
      const { opening } = this;
      this.intake = { kind: 'named', id, replay, opening: { ...opening, held: [], heldBytes: 0 } };
      for (const item of opening.held) this.take(item);
    };
  }

  /** The agent is asked for the session it has under this name: what it has said so far belongs to it. */
  ask(id: string, replay: Replay): void {
    this.awaitName()(id, replay);
  }

  /** What was said meanwhile, and what is said from here on, goes to `hear`. */
  resumeIntake(hear: (item: AgentUpdate) => void, late: LateReplay): void {
    const { id, replay } = this;
    const { held } = this.opening;
    this.intake = { kind: 'open', id, replay, hear };
    replay?.opened(late);
    for (const item of held) hear(item);
  }

  /** Takes what the agent says. Error: `limit_exceeded`. */
  take(item: AgentUpdate): void {
    const { intake } = this;
    if (intake.kind === 'open') return intake.hear(item);
    if (intake.kind === 'unnamed') return this.hold(item);
    if (isForeign(item.agentSessionId, intake.id)) return;
    const { update, meta } = this.redacted(item);
    if (classOf(update, meta) === 'state') {
      if (this.isTitleOfPreamble(update)) return;
      this.learn(update);
      intake.opening.state.set(update.sessionUpdate, { update, meta });
    } else if (!intake.replay?.take(update, meta, false)) this.hold(item);
  }

  private hold(item: AgentUpdate): void {
    const { queuedEvents, queuedBytes } = this.context.limits;
    const { opening } = this;
    const heldBytes = opening.heldBytes + utf8Length(JSON.stringify([item.update, item.meta]));
    if (opening.held.length >= queuedEvents) throw tooMuch('queuedEvents', queuedEvents);
    if (heldBytes > queuedBytes) throw tooMuch('queuedBytes', queuedBytes, ' bytes');
    opening.held.push(item);
    opening.heldBytes = heldBytes;
  }

  // -------------------------------------------------------------- what it reports

  /** With the id by which the agent knows the session. */
  toAgent<T>(value: T): T {
    return exchangeIds(value, this.context.sessionId, this.ownId);
  }

  fromAgent<T>(value: T): T {
    return exchangeIds(value, this.ownId, this.context.sessionId);
  }

  redacted({ update, meta }: AgentUpdate): UpdateWithMeta {
    const { redact } = this.context;
    return { update: redact(update), meta: meta && redact(meta) };
  }

  /** What the update says about the state that was not known; null when that is nothing. */
  learn(update: SessionUpdate): Partial<ReportedState> | null {
    const learnt = learn(this.reported, update);
    if (learnt) this.reported = { ...this.reported, ...learnt };
    return learnt;
  }

  /** Made of the preamble's words, it says nothing about the session. */
  isTitleOfPreamble(update: SessionUpdate): boolean {
    if (this.preamble === null || update.sessionUpdate !== 'session_info_update' || typeof update.title !== 'string') return false;
    const title = update.title.replace(/(…|\.\.\.)\s*$/, '').replace(/\s+/g, '');
    return title.length >= MIN_TITLE_CHARS && JSON.stringify(this.preamble).replace(/\s+/g, '').includes(title);
  }

  /** State that says something which was not known `before`, and still holds. */
  newsSince(before: ReportedState): readonly UpdateWithMeta[] {
    return [...this.opening.state.values()].filter(({ update }) => learn(before, update) !== null && learn(this.reported, update) === null);
  }

  /** The same, and what the agent's answers changed of what was known: followers read it from the log. */
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

const tooMuch = (limit: string, allowed: number, unit = ''): RehydrateError =>
  new RehydrateError('limit_exceeded', `The agent sent updates of more than ${limit} (${allowed}${unit}) before the session was open.`, {
    limit,
    allowed,
  });

/** A shorter title may occur anywhere by chance. */
const MIN_TITLE_CHARS = 12;

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
