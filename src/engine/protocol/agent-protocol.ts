/**
 * What a host needs of an agent, whichever version of ACP it speaks. Each version is one module that implements
 * `AgentProtocol` (`v1.ts`, `v2.ts`), and `versions.ts` finds out which it is; sessions, log, matching and transcript know no versions and no method names.
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
  /** As the agent gave them. */
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

/** What an agent said about itself in `initialize`. */
export interface AgentFacts extends AgentCapabilities {
  readonly protocolVersion: number;
  readonly info: Implementation | null;
  readonly authMethods: readonly AuthMethod[];
}

/** Where an agent session works, and with what. */
export interface SessionParams {
  readonly cwd: string;
  readonly mcpServers: readonly McpServer[];
  readonly additionalDirectories: readonly string[];
  /** What the client wants the agent to have besides: `_meta`, parameters of extensions. */
  readonly extra?: Extra;
}

/** Further parameters of a call, passed on as they are. What the protocol has itself is never taken from them. */
export type Extra = Readonly<Record<string, unknown>>;

/** Modes, options and commands as an answer carries them; what it does not say is absent. */
export interface AnsweredSettings {
  readonly modes?: SessionModeState;
  readonly configOptions?: SessionConfigOption[];
  readonly commands?: AvailableCommand[];
}

export interface NewAgentSession {
  /** Null when the answer names none. */
  readonly agentSessionId: string | null;
  readonly settings: AnsweredSettings;
  /** What else is in the answer: `_meta`, fields of extensions. */
  readonly rest: Readonly<Record<string, unknown>>;
  /** The answer, for the error of one that names none. */
  readonly raw: unknown;
}

/** A page of the agent's own list. */
export interface ListedSessions {
  readonly sessions: readonly { readonly sessionId: string; readonly cwd?: string; readonly title?: string; readonly updatedAt?: string }[];
  /** Undefined on the last page. What is no string is passed on: it ends the reading. */
  readonly nextCursor: unknown;
}

export type Setting =
  | { readonly id: string; readonly kind: 'option'; readonly value: string | boolean }
  | { readonly id: 'mode'; readonly kind: 'mode'; readonly value: string };

/** How a turn came to its end, by the agent's word. */
export type TurnAnswer =
  /** `said` is all of the answer: usage, ids, `_meta`. */
  | { readonly kind: 'stopped'; readonly stopReason: StopReason; readonly said: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly error: RpcError }
  /** It is no answer of the protocol's. */
  | { readonly kind: 'garbled'; readonly said: unknown };

/** What an agent tells without being asked. */
export type AgentNotification =
  | {
      readonly kind: 'update';
      readonly update: SessionUpdate;
      readonly meta: Readonly<Record<string, unknown>> | undefined;
      readonly agentSessionId: unknown;
      /** What it says of the turn that runs: to be called when the update was heard. */
      readonly after?: () => void;
    }
  /** It does not want an answer to its request any more. */
  | { readonly kind: 'withdrawn'; readonly requestId: unknown }
  /** An extension, or nothing that ACP has. */
  | { readonly kind: 'other'; readonly method: string; readonly params: Readonly<Record<string, unknown>> };

export type AgentUpdate = Extract<AgentNotification, { kind: 'update' }>;

export interface AgentProtocol {
  readonly facts: AgentFacts;
  authenticate(methodId: string, patience: Patience): Promise<Outcome>;
  newSession(params: SessionParams, patience: Patience): Promise<Outcome<NewAgentSession>>;
  /** `resume` brings no replay, `load` the whole of it, as updates before the answer. */
  takeUp(how: 'resume' | 'load', agentSessionId: string, params: SessionParams, patience: Patience): Promise<Outcome<AnsweredSettings>>;
  /** Of one directory, or of all. Null when the answer is no list. */
  listSessions(cwd: string | undefined, cursor: string | undefined, patience: Patience): Promise<Outcome<ListedSessions | null>>;
  /** Sends a prompt. `over` runs in the order of messages when the turn is, with null when the agent ended first. */
  prompt(agentSessionId: string, blocks: readonly ContentBlock[], over: (answer: TurnAnswer | null) => void, extra?: Extra): void;
  /** Asks for the end of the running turn. */
  cancel(agentSessionId: string): void;
  set(agentSessionId: string, setting: Setting, patience: Patience): Promise<Outcome<AnsweredSettings>>;
  closeSession(agentSessionId: string, patience: Patience): Promise<Outcome>;
  deleteSession(agentSessionId: string, patience: Patience): Promise<Outcome>;
  forkSession(agentSessionId: string, params: SessionParams, patience: Patience): Promise<Outcome<NewAgentSession>>;
  /** A request or notification that is none of the above: an extension's. */
  request(method: string, params: unknown, over: (response: RpcResponse | null) => void): void;
  notify(method: string, params: unknown): void;
  readNotification(method: string, params: Readonly<Record<string, unknown>>): AgentNotification;
  /** What it asks a person to allow: the `toolCall`, and the `options` as it gave them. */
  readPermission(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
}

/**
 * What a host says to its agents itself, in any version. Passed on for somebody else, a prompt would be in no record (I1), and what
 * makes, takes up or ends an agent session would do so behind the session's back.
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
]);

/** Error codes of JSON-RPC and ACP, the same in every version. */
export const RPC = {
  invalidRequest: -32600,
  invalidParams: -32602,
  methodNotFound: -32601,
  internal: -32603,
  cancelled: -32800,
  authRequired: -32000,
  notFound: -32002,
  versionRefused: -32022,
} as const;
