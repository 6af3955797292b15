/**
 * The interface to an agent, the same for every version of ACP. `v1.ts` and `v2.ts` implement it; nothing else knows versions or method
 * names.
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
import type { Fields } from '../objects.ts';
import type { Outcome, Patience } from './connection.ts';
import type { RpcError, RpcResponse } from './json-rpc.ts';

export interface AgentCapabilities {
  /** As the agent gave them. */
  readonly capabilities: Fields;
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
  /** Further parameters, such as `_meta` and those of extensions. They never replace the protocol's own. */
  readonly extra?: Fields;
}

/** The settings in an answer. What the answer does not have is absent. */
export interface AnsweredSettings {
  readonly modes?: SessionModeState;
  readonly configOptions?: SessionConfigOption[];
  readonly commands?: AvailableCommand[];
}

export interface NewAgentSession {
  /** Null when the answer has no usable one. */
  readonly agentSessionId: string | null;
  readonly settings: AnsweredSettings;
  /** The rest of the answer, such as `_meta` and fields of extensions. */
  readonly rest: Fields;
  /** The answer itself, for the error, if it has no usable id; else null. */
  readonly raw: unknown;
}

export interface ListedSessions {
  readonly sessions: readonly { readonly sessionId: string; readonly cwd?: string; readonly title?: string; readonly updatedAt?: string }[];
  /** Undefined on the last page. May be anything that the agent sent. */
  readonly nextCursor: unknown;
}

export type Setting =
  | { readonly id: string; readonly kind: 'option'; readonly value: string | boolean }
  | { readonly id: 'mode'; readonly kind: 'mode'; readonly value: string };

export type TurnAnswer =
  /** `said` is the whole answer: usage, ids, `_meta`. */
  | { readonly kind: 'stopped'; readonly stopReason: StopReason; readonly said: Fields }
  | { readonly kind: 'refused'; readonly error: RpcError }
  /** The answer lacks a field that the protocol requires. */
  | { readonly kind: 'garbled'; readonly lacks: 'stop reason' | 'messageId'; readonly said: unknown };

export type AgentNotification =
  | {
      readonly kind: 'update';
      readonly update: SessionUpdate;
      readonly meta: Fields | undefined;
      readonly agentSessionId: unknown;
      /** To be called once the update has been taken: in v2 an update may end the turn. */
      readonly after?: () => void;
    }
  /** A notification of an extension, or any other that ACP does not have. */
  | { readonly kind: 'other'; readonly method: string; readonly params: Fields };

export type AgentUpdate = Extract<AgentNotification, { kind: 'update' }>;

export interface AgentProtocol {
  readonly facts: AgentFacts;
  authenticate(methodId: string, patience: Patience): Promise<Outcome>;
  newSession(params: SessionParams, patience: Patience): Promise<Outcome<NewAgentSession>>;
  /** After `resume` the agent must not replay; after `load` it replays the whole session, as updates before the answer. */
  resumeOrLoad(
    how: 'resume' | 'load',
    agentSessionId: string,
    params: SessionParams,
    patience: Patience,
  ): Promise<Outcome<AnsweredSettings>>;
  /** One page of the sessions of one directory, or of all. Null when the answer is not a list. */
  listSessions(cwd: string | undefined, cursor: string | undefined, patience: Patience): Promise<Outcome<ListedSessions | null>>;
  /** Sends a prompt. `over` runs in the order of messages when the turn ends; with null if the agent ended first. */
  prompt(agentSessionId: string, blocks: readonly ContentBlock[], over: (answer: TurnAnswer | null) => void, extra?: Fields): void;
  cancel(agentSessionId: string): void;
  set(agentSessionId: string, setting: Setting, patience: Patience): Promise<Outcome<AnsweredSettings>>;
  closeSession(agentSessionId: string, patience: Patience): Promise<Outcome>;
  deleteSession(agentSessionId: string, patience: Patience): Promise<Outcome>;
  forkSession(agentSessionId: string, params: SessionParams, patience: Patience): Promise<Outcome<NewAgentSession>>;
  /** Sends any other request, as it is. For `signal` see `Peer.request`. */
  request(method: string, params: unknown, over: (response: RpcResponse | null) => void, signal?: AbortSignal): void;
  notify(method: string, params: unknown): void;
  readNotification(method: string, params: Fields): AgentNotification;
  /** What a permission request asks: its `toolCall`, and its `options` as the agent gave them. */
  readPermission(params: Fields): Fields;
}

/**
 * Methods that a host does not pass on for a caller. Otherwise a prompt could be in no record (I1), and a session could change without its
 * host knowing.
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

/** ACP's stop reasons. Any other that an agent gives is kept, but nobody can tell whether such a turn went well. */
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
