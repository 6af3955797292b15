/**
 * The agent's own session behind a session of the record: its id, what the agent last reported about it, and where the agent's updates go:
 * held back while the session is being opened, then on to the session.
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
import type { UpdateWithMeta } from '../storage/statements.ts';
import type { CreateOptions } from './host.ts';
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
  /** Replaces known secret values in everything that is stored, and in errors that quote the agent. */
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

/** What the agent says while the session is being opened. It waits until the log says how the session became live. */
interface Opening {
  /** The last report of each kind of state. */
  readonly state: Map<string, UpdateWithMeta>;
  readonly held: AgentUpdate[];
  heldBytes: number;
}

type Intake =
  /** The agent has yet to name its session. Until then, all it says belongs to that one. */
  | { readonly kind: 'unnamed'; readonly opening: Opening }
  /** The agent is taking this session up. `replay` gets what the agent says of the conversation. */
  | { readonly kind: 'named'; readonly id: string; readonly replay: Replay | null; readonly opening: Opening }
  /** The report is on its way into the log, and `receive` gets what the agent says. Until the first prompt the agent may still replay. */
  | { readonly kind: 'open'; readonly id: string; readonly replay: Replay | null; readonly receive: (item: AgentUpdate) => void };

const unnamed = (): Intake => ({ kind: 'unnamed', opening: { state: new Map(), held: [], heldBytes: 0 } });

/** Whether something names a session, and another one. */
export const isForeign = (named: unknown, id: string): boolean => named !== undefined && named !== null && named !== id;

export class AgentSession {
  readonly context: SessionContext;
  reported: ReportedState;
  requested: RequestedSettings;
  /** What the agent was told of the record, or is to be told. */
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

  /** The same, but null while the agent has not named it yet. */
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

  // -------------------------------------------------------------- while it is being opened

  reopen(): void {
    this.intake = unnamed();
  }

  /** The agent is asked to make a session. Call the returned function with the name that it gives. */
  awaitName(): (id: string, replay?: Replay | null) => void {
    this.intake = { kind: 'unnamed', opening: this.opening };
    return (id, replay = null) => {
      const { opening } = this;
      this.intake = { kind: 'named', id, replay, opening: { ...opening, held: [], heldBytes: 0 } };
      for (const item of opening.held) this.take(item);
    };
  }

  /** The agent is asked for the session of this name. What it has said so far belongs to it. */
  ask(id: string, replay: Replay): void {
    this.awaitName()(id, replay);
  }

  /** The session is open: `receive` gets the updates that were held back, and all that follow. */
  resumeIntake(receive: (item: AgentUpdate) => void, late: LateReplay): void {
    const { id, replay } = this;
    const { held } = this.opening;
    this.intake = { kind: 'open', id, replay, receive };
    replay?.opened(late);
    for (const item of held) receive(item);
  }

  /** Error: `limit_exceeded`, when more would be held back than the limits allow. */
  take(item: AgentUpdate): void {
    const { intake } = this;
    if (intake.kind === 'open') return intake.receive(item);
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

  /** Takes over what the update says about the state, and returns what of it is new; null when nothing is. */
  learn(update: SessionUpdate): Partial<ReportedState> | null {
    const learnt = learn(this.reported, update);
    if (learnt) this.reported = { ...this.reported, ...learnt };
    return learnt;
  }

  /** Agents make titles of a session's first words. One that is made of the preamble's words says nothing about the session. */
  isTitleOfPreamble(update: SessionUpdate): boolean {
    if (this.preamble === null || update.sessionUpdate !== 'session_info_update' || typeof update.title !== 'string') return false;
    const title = update.title.replace(/(…|\.\.\.)\s*$/, '').replace(/\s+/g, '');
    return title.length >= MIN_TITLE_CHARS && JSON.stringify(this.preamble).replace(/\s+/g, '').includes(title);
  }

  /** Reports of state, made while the session was being opened, that say something new against `before` and still hold. */
  newsSince(before: ReportedState): readonly UpdateWithMeta[] {
    return [...this.opening.state.values()].filter(({ update }) => learn(before, update) !== null && learn(this.reported, update) === null);
  }

  /** The same, and what the agent's answers changed, as updates: followers learn of state from the log alone. */
  changesSince(before: ReportedState): readonly UpdateWithMeta[] {
    const said = this.newsSince(before);
    const known = said.reduce((state, { update }) => ({ ...state, ...learn(state, update) }), before);
    const { modes, configOptions } = this.reported;
    const answered: SessionUpdate[] = [];
    if (known.modes && modes) answered.push({ sessionUpdate: 'current_mode_update', currentModeId: modes.currentModeId });
    // `before` comes from the row, where secrets are replaced, so it is compared with replaced ones.
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

/** A shorter title may be part of the preamble by chance. */
const MIN_TITLE_CHARS = 12;

/** Replaces one session id by another, where it is the value of a key `sessionId`. */
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

const ID_LEVELS = 4;
