/**
 * The public data shapes: sessions, events, turns and the resume report. ACP payloads keep the
 * ACP SDK's types; everything here is plain JSON.
 */
import type {
  AuthMethod,
  AvailableCommand,
  ContentBlock,
  Implementation,
  McpServer,
  PermissionOption,
  SessionConfigOption,
  SessionModeState,
  SessionUpdate,
  StopReason,
  ToolCallUpdate,
} from '@agentclientprotocol/sdk';
import type { AgentExit, DroppedLines } from './ports.ts';
import type { ErrorCode } from './errors.ts';

export type { AuthMethod, ContentBlock, McpServer, SessionUpdate, StopReason };

/** How a session became live. */
export type Tier = 'live' | 'new' | 'resume' | 'load' | 'transcript';

/** Which version of ACP is spoken with agents: `v1` and `v2` are that version and no other, `newest` is what the agent speaks of them. */
export type ProtocolChoice = 'v1' | 'v2' | 'newest';

/** Which tiers may be tried: `auto` all, `strict` only the agent's own, `transcript` skips the agent's own. */
export type ResumePolicy = 'auto' | 'strict' | 'transcript';

/** How the transcript travels in front of a successor's first prompt: `inline`, in a text block, unless asked otherwise. */
export type PreambleMode = 'resource' | 'inline' | 'file';

/** How an attempt to become live came out. */
export type AttemptOutcome =
  | 'ok'
  /** It answered `session/load` with success, but replayed none of the messages that were expected: not believed. */
  | 'unproven'
  | 'unknown_session'
  | 'unsupported'
  | 'auth_required'
  | 'session_busy'
  | 'indeterminate'
  | 'hang'
  | 'crash'
  /** It went over a limit of the host's, and was ended for that. */
  | 'limit';

/** `session/prompt`: the agent's answer to the prompt said that it does not know the session. */
export type AttemptMethod = 'session/resume' | 'session/load' | 'session/fork' | 'session/new' | 'session/prompt';

export interface ResumeAttempt {
  /** What the agent was asked. */
  readonly method: AttemptMethod;
  /** How its answer was read. */
  readonly outcome: AttemptOutcome;
  /** Why it was read so, in words. */
  readonly evidence: string;
  /** The agent's raw error, if it gave one. */
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  /** The agent's own time for this attempt. */
  readonly ms: number;
}

/** What was checked after a native success. */
export type Verification = 'replay-matched' | 'replay-partial' | 'replay-empty' | 'replay-mismatch' | 'listed' | 'unverified';

/** What a resume did and why; stored as the `resumed` event and shown on every surface. */
export interface ResumeReport {
  /** How the session became live. */
  readonly tier: Tier;
  /** What was tried, in order. */
  readonly attempts: readonly ResumeAttempt[];
  /** How the agent's claim was checked. Null for the tiers `live`, `new` and `transcript`, where there is no claim. */
  readonly verified: Verification | null;
  /** How the replay compared with the log, or null when nothing was replayed. */
  readonly replay: {
    /** How many messages came. */
    readonly received: number;
    /** How many of them the log has. */
    readonly matched: number;
    /** How many the log has and the replay should have had. */
    readonly missing: number;
    /** How many the log did not have, and has now. */
    readonly imported: number;
    /** How many of the missing are the newest, if any are. An agent that caps its replay leaves out the oldest. */
    readonly newestMissing?: number;
  } | null;
  /** The preamble in front of the next prompt, or null when there is none. */
  readonly preamble: {
    /** In which form it is sent. This may differ from the requested one, if the agent does not accept that. */
    readonly mode: PreambleMode;
    /** The size of the transcript, in UTF-8. */
    readonly bytes: number;
    /** How many of the log's events the transcript covers. */
    readonly events: number;
    /** Whether older events did not fit the budget. */
    readonly truncated: boolean;
  } | null;
  /** Modes and configuration options that were set again, by id (`mode` for the mode). */
  readonly settings: {
    readonly restored: readonly string[];
    /** Those that the agent refused, with its reason; they stay requested. */
    readonly failed: readonly { readonly id: string; readonly reason: string }[];
  };
  /** The agent's own id of the session now. */
  readonly agentSessionId: string | null;
  /** The previous one, if a successor replaces it; else null. */
  readonly previousAgentSessionId: string | null;
  /** How long the whole resume took, including the agent's own time. */
  readonly ms: number;
  /** The part of `ms` spent waiting for the agent. */
  readonly agentMs: number;
}

// ---------------------------------------------------------------- sessions

/** Derived when asked for, never stored. */
export type SessionState = 'asleep' | 'starting' | 'resuming' | 'live' | 'prompting' | 'busy';

export interface SessionInfo {
  readonly sessionId: string;
  /** The agent's name, never its arguments or environment. */
  readonly agent: string;
  /** The agent's own id, for diagnosis only. Null before the first agent session. */
  readonly agentSessionId: string | null;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  /** MCP servers without the values of their environment and headers. */
  readonly mcpServers: readonly McpServer[];
  readonly envNames: readonly string[];
  /** Last seen, as history; a resume reads them afresh. */
  readonly agentCapabilities: Readonly<Record<string, unknown>> | null;
  readonly agentInfo: Implementation | null;
  readonly modes: SessionModeState | null;
  readonly configOptions: readonly SessionConfigOption[] | null;
  readonly commands: readonly AvailableCommand[] | null;
  readonly title: string | null;
  readonly usage: Readonly<Record<string, unknown>> | null;
  /**
   * The number of the log's first event, or of the one that will be: 1, or more after a deleted session of the same id. An empty log has
   * a `latestSeq` of one less.
   */
  readonly firstSeq: number;
  readonly latestSeq: number;
  /** What `update` was given to keep with it. */
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** What the agent asks and nobody has answered yet, where the session is live in this host. */
  readonly openPermissions: readonly PermissionRequested[];
  readonly state: SessionState;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Columns of its row that cannot be read and are shown as empty. Only `list` goes on then; everything else says so as an error. */
  readonly damaged?: readonly string[];
}

/** A session that was just made. */
export interface CreatedSession extends SessionInfo {
  /** What else the agent answered to `session/new`: `_meta`, fields of extensions, as it gave them. It is not stored. */
  readonly answer?: Readonly<Record<string, unknown>>;
}

// ---------------------------------------------------------------- events

export type EventOrigin = 'host' | 'agent' | 'import';

/** What the agent asks, as stored and shown. */
export interface PermissionRequested {
  /** The host's id for the request; what `respondPermission` takes. */
  readonly requestId: string;
  readonly toolCall: ToolCallUpdate;
  readonly options: readonly PermissionOption[];
}

export interface PermissionResolved {
  readonly requestId: string;
  /** Null when it was cancelled. */
  readonly optionId: string | null;
  /** Who decided: a person, the host's rule, or the end of the turn or host. */
  readonly by: 'person' | 'rule' | 'end';
}

/** What the agent wants to know of the user, as stored: ACP's elicitation. */
export interface ElicitationRequested {
  readonly requestId: string;
  /** As the agent asked it, without the session's id. */
  readonly question: Readonly<Record<string, unknown>>;
}

export interface ElicitationResolved {
  readonly requestId: string;
  /** As the client gave it; null when nobody answered. */
  readonly answer: Readonly<Record<string, unknown>> | null;
  readonly by: 'client' | 'end';
}

export type TurnState = 'running' | 'completed' | 'failed' | 'cancelled' | 'interrupted';

export interface TurnError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly data?: unknown;
}

export interface TurnEnded {
  readonly state: Exclude<TurnState, 'running'>;
  readonly stopReason?: StopReason;
  readonly error?: TurnError;
  /** What else the agent answered: usage, ids, `_meta`, as it gave them. */
  readonly answer?: Readonly<Record<string, unknown>>;
  /** Output of the agent that was lost until then: the reply may be shorter than what it said. */
  readonly dropped?: DroppedLines;
}

interface EventBase {
  /** Without gaps in a session: from 1, or after the last number of a deleted session that had the same id. */
  readonly seq: number;
  /** Null between turns. */
  readonly turnId: string | null;
  /** Milliseconds since the epoch, by the host's clock. */
  readonly at: number;
  readonly origin: EventOrigin;
  /** The `_meta` of the ACP notification. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** One row of a session's log. */
export type SessionEvent = EventBase &
  (
    | { readonly kind: 'turn_started'; readonly payload: { readonly idempotencyKey?: string } }
    | { readonly kind: 'update'; readonly payload: SessionUpdate }
    | { readonly kind: 'permission_requested'; readonly payload: PermissionRequested }
    | { readonly kind: 'permission_resolved'; readonly payload: PermissionResolved }
    | { readonly kind: 'elicitation_requested'; readonly payload: ElicitationRequested }
    | { readonly kind: 'elicitation_resolved'; readonly payload: ElicitationResolved }
    | { readonly kind: 'turn_ended'; readonly payload: TurnEnded }
    | { readonly kind: 'resumed'; readonly payload: ResumeReport }
    | { readonly kind: 'agent_exited'; readonly payload: AgentExit }
  );

export type EventKind = SessionEvent['kind'];

// ---------------------------------------------------------------- results

export interface PromptResult {
  readonly turnId: string;
  readonly stopReason: StopReason;
  readonly report: ResumeReport;
  /** What else the agent answered: usage, ids, `_meta`, as it gave them. */
  readonly answer?: Readonly<Record<string, unknown>>;
  /** Output of the agent that was lost: the reply may be shorter than what it said. */
  readonly dropped?: DroppedLines;
  /** True when the idempotency key had been used and this is the stored result. */
  readonly repeated?: true;
}

/** What an agent said of itself in `initialize`. */
export interface AgentDescription {
  /** Its name in this host. */
  readonly agent: string;
  readonly protocolVersion: number;
  readonly info: Implementation | null;
  /** `agentCapabilities`, as the agent gave them. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly authMethods: readonly AuthMethod[];
}

/** One of the agent's own sessions, as its list has it. */
export interface AgentSession {
  readonly agentSessionId: string;
  /** The record's session that stands on it, or did; null when the record does not have it: then it can be adopted. */
  readonly sessionId: string | null;
  readonly cwd: string | null;
  readonly title: string | null;
  /** ISO 8601, as the agent gave it. */
  readonly updatedAt: string | null;
}

export interface AgentSessionList {
  readonly sessions: readonly AgentSession[];
  /** The agent's own. */
  readonly nextCursor?: string;
}

export interface SessionList {
  readonly sessions: readonly SessionInfo[];
  readonly nextCursor?: string;
}
