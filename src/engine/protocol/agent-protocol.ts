/**
 * What a host needs of an agent in any version of ACP: `v1.ts` and `v2.ts` implement it, and nothing else knows versions or method names.
 */
import type {
  AuthMethod,
  AvailableCommand,
  ContentBlock,
  Implementation,
  McpServer,
  SessionConfigOption,
  SessionModeState,
} from '@agentclientprotocol/sdk';
import type { SessionUpdate, StopReason } from '../types.ts';
import type { Outcome, Patience } from './connection.ts';
import type { RpcError, RpcResponse } from './json-rpc.ts';

/** What an agent can do, as it said in `initialize`. */
export interface AgentCapabilities {
  /** As given. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly canResume: boolean;
  readonly canLoad: boolean;
  readonly canList: boolean;
  readonly canClose: boolean;
  readonly canDelete: boolean;
  readonly canFork: boolean;
  readonly embeddedContext: boolean;
  readonly additionalDirectories: boolean;
}

export interface AgentFacts extends AgentCapabilities {
  readonly protocolVersion: number;
  readonly info: Implementation | null;
  readonly authMethods: readonly AuthMethod[];
}

export interface SessionParams {
  readonly cwd: string;
  readonly mcpServers: readonly McpServer[];
  readonly additionalDirectories: readonly string[];
  /** What else the agent is to have: `_meta`, parameters of extensions. */
  readonly extra?: Extra;
}

/** Further parameters of a call. They never replace the protocol's own. */
export type Extra = Readonly<Record<string, unknown>>;

/** What the answer does not say is absent. */
export interface AnsweredSettings {
  readonly modes?: SessionModeState;
  readonly configOptions?: SessionConfigOption[];
  readonly commands?: AvailableCommand[];
}

export interface NewAgentSession {
  /** Null when the answer does not name one. */
  readonly agentSessionId: string | null;
  readonly settings: AnsweredSettings;
  /** What else is in the answer: `_meta`, fields of extensions. */
  readonly rest: Readonly<Record<string, unknown>>;
  /** The answer, for the error when it names no session. */
  readonly raw: unknown;
}

/** A page of the agent's own list. */
export interface ListedSessions {
  readonly sessions: readonly { readonly sessionId: string; readonly cwd?: string; readonly title?: string; readonly updatedAt?: string }[];
  /** Undefined on the last page. Anything that is not a string is passed on, and ends the reading. */
  readonly nextCursor: unknown;
}

export type Setting =
  | { readonly id: string; readonly kind: 'option'; readonly value: string | boolean }
  | { readonly id: 'mode'; readonly kind: 'mode'; readonly value: string };

export type TurnAnswer =
  /** `said` is the whole answer: usage, ids, `_meta`. */
  | { readonly kind: 'stopped'; readonly stopReason: StopReason; readonly said: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly error: RpcError }
  /** It is not an answer that the protocol knows: it lacks what is required. */
  | { readonly kind: 'garbled'; readonly lacks: 'stop reason' | 'messageId'; readonly said: unknown };

/** What an agent says without being asked. */
export type AgentNotification =
  | {
      readonly kind: 'update';
      readonly update: SessionUpdate;
      readonly meta: Readonly<Record<string, unknown>> | undefined;
      readonly agentSessionId: unknown;
      /** What it means for the running turn: to be called once the update has been taken. */
      readonly after?: () => void;
    }
  /** An extension, or anything else that ACP does not have. */
  | { readonly kind: 'other'; readonly method: string; readonly params: Readonly<Record<string, unknown>> };

export type AgentUpdate = Extract<AgentNotification, { kind: 'update' }>;

export interface AgentProtocol {
  readonly facts: AgentFacts;
  authenticate(methodId: string, patience: Patience): Promise<Outcome>;
  newSession(params: SessionParams, patience: Patience): Promise<Outcome<NewAgentSession>>;
  /** `resume` brings no replay, `load` the whole session, as updates before the answer. */
  resumeOrLoad(
    how: 'resume' | 'load',
    agentSessionId: string,
    params: SessionParams,
    patience: Patience,
  ): Promise<Outcome<AnsweredSettings>>;
  /** Of one directory, or of all. Null when the answer is not a list. */
  listSessions(cwd: string | undefined, cursor: string | undefined, patience: Patience): Promise<Outcome<ListedSessions | null>>;
  /** Sends a prompt. `over` runs in the order of messages when the turn ends, with null when the agent ended first. */
  prompt(agentSessionId: string, blocks: readonly ContentBlock[], over: (answer: TurnAnswer | null) => void, extra?: Extra): void;
  cancel(agentSessionId: string): void;
  set(agentSessionId: string, setting: Setting, patience: Patience): Promise<Outcome<AnsweredSettings>>;
  closeSession(agentSessionId: string, patience: Patience): Promise<Outcome>;
  deleteSession(agentSessionId: string, patience: Patience): Promise<Outcome>;
  forkSession(agentSessionId: string, params: SessionParams, patience: Patience): Promise<Outcome<NewAgentSession>>;
  /** Any other request or notification: an extension's. */
  request(method: string, params: unknown, over: (response: RpcResponse | null) => void, signal?: AbortSignal): void;
  notify(method: string, params: unknown): void;
  readNotification(method: string, params: Readonly<Record<string, unknown>>): AgentNotification;
  /** What it asks a person to allow: the `toolCall`, and the `options` as it gave them. */
  readPermission(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
}

/**
 * What a host says to its agents itself. Passed on for a caller, a prompt would be in no record (I1), and a session would change without
 * its host knowing.
 */
export const HOSTS_OWN_METHODS: ReadonlySet<string> = new Set([
  'initialize',
  'authenticate',
  'auth/login',
  'session/new',
  'session/load',
  'session/resume',
  'session/fork',
  'session/list',
  'session/prompt',
  'session/cancel',
  'session/set_mode',
  'session/set_config_option',
  'session/close',
  'session/delete',
  '$/cancel_request',
]);

/** Another that an agent gives is kept, but nobody knows that such a turn went well. */
export const STOP_REASONS: ReadonlySet<string> = new Set([
  'end_turn',
  'max_tokens',
  'max_turn_requests',
  'refusal',
  'cancelled',
] satisfies StopReason[]);

/** Error codes of JSON-RPC and ACP, the same in every version. */
export const RPC = {
  parse: -32700,
  invalidRequest: -32600,
  invalidParams: -32602,
  methodNotFound: -32601,
  internal: -32603,
  cancelled: -32800,
  authRequired: -32000,
  notFound: -32002,
  versionRefused: -32022,
} as const;
