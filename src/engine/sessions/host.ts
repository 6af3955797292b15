/** The host's interface: its calls and their options. */
import type { McpServer } from '@agentclientprotocol/sdk';
import type { ClientServices } from '../ports.ts';
import type { SearchRequest, SearchResult } from '../records/search.ts';
import type {
  AgentDescription,
  AgentSessionList,
  ContentBlock,
  CreatedSession,
  PreambleMode,
  PromptResult,
  ResumePolicy,
  ResumeReport,
  SessionEvent,
  SessionInfo,
  SessionList,
} from '../types.ts';

export interface PromptOptions {
  /**
   * Makes the prompt safe to repeat: the same key with the same content joins the running turn or gives the stored result; with other
   * content it is `idempotency_conflict`. Unique within a session.
   */
  readonly idempotencyKey?: string | undefined;
  /** Further parameters of the agent's `session/prompt`, such as `_meta`. They are not stored. */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** Overrides the host's policy for this prompt. */
  readonly policy?: ResumePolicy | undefined;
  /**
   * Aborting cancels the turn, or the resume before it. A call that joined another call's turn only stops waiting: it rejects with
   * `aborted`, and the turn goes on.
   */
  readonly signal?: AbortSignal | undefined;
  /** Answers what the agent asks from now on, until a call names another client. */
  readonly client?: ClientServices | undefined;
}

export type ResumeOptions = Pick<PromptOptions, 'policy' | 'signal' | 'client'>;

export interface CreateOptions {
  /** The agent's name, as the launcher knows it. */
  readonly agent: string;
  /** Absolute. */
  readonly cwd: string;
  /** Default: a fresh id. */
  readonly sessionId?: string | undefined;
  /** Values for the agent's environment. Only their names are stored. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Stored without the values of their environment and headers. */
  readonly mcpServers?: readonly McpServer[] | undefined;
  readonly additionalDirectories?: readonly string[] | undefined;
  /**
   * Further parameters of the agent's `session/new`, such as `_meta`. They are not stored; as long as this host lives, the agent gets them
   * again at every wake.
   */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Answers what the agent asks, until a call names another client. */
  readonly client?: ClientServices | undefined;
}

export interface SessionChanges {
  /** Shown instead of the agent's own title, at most `titleBytes` long; null shows the agent's again. */
  readonly title?: string | null | undefined;
  /** Anything that the program wants to keep with the session: a JSON object of at most 16 KiB. Null removes it. */
  readonly metadata?: Readonly<Record<string, unknown>> | null | undefined;
  /** Where the agent works from its next wake on. For a directory that was moved: it is refused while the old one is there. */
  readonly cwd?: string | undefined;
  /**
   * Replaces the list of MCP servers from the next wake on. Each value goes only to the server that it is given with, and is kept in memory
   * only. A live agent keeps the servers it has; `close` the session to change them at once.
   */
  readonly mcpServers?: readonly McpServer[] | undefined;
  /** Replaces the list from the next wake on. Absolute paths. */
  readonly additionalDirectories?: readonly string[] | undefined;
}

export interface ForkOptions {
  /** The fork's id. Default: a fresh one. */
  readonly sessionId?: string | undefined;
  /** The `seq` of the last event that is copied. Default: all are. */
  readonly after?: number | undefined;
  /** Another agent makes the fork a handoff. One that the host does not know is `agent_not_found`. */
  readonly agent?: string | undefined;
  readonly cwd?: string | undefined;
}

export interface AdoptOptions {
  readonly agent: string;
  /** The agent's own id of the session. */
  readonly agentSessionId: string;
  readonly cwd: string;
  /** Default: a fresh one. It may be the agent's own id, if clients know the session by that. */
  readonly sessionId?: string | undefined;
  /** The title in the agent's list (`agentSessions`), shown until the agent gives another. */
  readonly title?: string | null | undefined;
  readonly mcpServers?: readonly McpServer[] | undefined;
}

export interface DescribeOptions extends Pick<PromptOptions, 'signal' | 'client'> {
  readonly cwd?: string | undefined;
}

export interface AgentSessionsOptions extends DescribeOptions {
  readonly agent: string;
  /** Only those in this directory. */
  readonly cwd?: string | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** What happened to a session since the last change that was reported of it. */
export type SessionChange =
  | { readonly kind: 'created' | 'changed'; readonly sessionId: string; readonly info: SessionInfo }
  | { readonly kind: 'deleted'; readonly sessionId: string };

export interface Host {
  /** This host's id, as in the leases that it holds. */
  readonly hostId: string;

  /**
   * Starts an agent, opens a session with it and stores the session. Errors: `session_exists`, `agent_not_found`, `agent_start_failed`,
   * `agent_timeout`, `agent_exited`, `agent_protocol_error`, `auth_required`, `cwd_missing`, `limit_exceeded`, `invalid_argument`. After
   * any of them neither a session nor an agent is left.
   *
   * @example
   * const { sessionId } = await host.create({ agent: 'mine', cwd: process.cwd() });
   */
  create(options: CreateOptions): Promise<CreatedSession>;

  /**
   * Runs one turn: makes the session live if it is not, stores the prompt, sends it, and resolves when the agent's answer is stored.
   * Errors: those of `resume`, and `turn_in_progress`, `turn_outcome_unknown` (with `data.cause`), `idempotency_conflict`,
   * `agent_protocol_error`, `storage_full`, `limit_exceeded`. An error before the prompt was stored leaves no turn.
   *
   * @example
   * const { stopReason, report } = await host.prompt(sessionId, 'what did we decide?', { idempotencyKey: crypto.randomUUID() });
   */
  prompt(sessionId: string, content: string | readonly ContentBlock[], options?: PromptOptions): Promise<PromptResult>;

  /**
   * Makes the session live without prompting. Errors: `session_not_found`, `session_busy`, `secret_missing`, `session_not_resumable`,
   * `resume_indeterminate`, `auth_required`, and those of starting an agent. When it rejects, the agent's processes are gone.
   *
   * @example
   * const { tier, verified } = await host.resume(sessionId, { policy: 'strict' });
   */
  resume(sessionId: string, options?: ResumeOptions): Promise<ResumeReport>;

  /**
   * The preamble that a successor would get in front of the next prompt. Starts no agent, writes no file.
   *
   * @example
   * const [record] = await host.previewPreamble(sessionId, { mode: 'inline' });
   */
  previewPreamble(
    sessionId: string,
    options?: { readonly mode?: PreambleMode | undefined; readonly budget?: number | undefined },
  ): Promise<ContentBlock[]>;

  /**
   * Asks the agent to end its turn, and resolves when the turn is over. Does nothing when no turn is running. Errors: `session_not_found`,
   * and `session_busy` when another host runs the session.
   *
   * @example
   * await host.cancel(sessionId);
   */
  cancel(sessionId: string): Promise<void>;

  /**
   * Answers an open permission request; null cancels it. Error: `invalid_argument` for an option that the request does not offer, and then
   * the request stays open; or for a request that is not open, or was cancelled before the answer was stored.
   *
   * @example
   * if (event.kind === 'permission_requested') {
   *   const { requestId, options } = event.payload;
   *   await host.respondPermission(sessionId, requestId, options[0].optionId);
   * }
   */
  respondPermission(sessionId: string, requestId: string, optionId: string | null): Promise<void>;

  /**
   * Sets the session's mode, and makes the session live for that if it is not. Error: `invalid_argument` when the agent refuses.
   *
   * @example
   * await host.setMode(sessionId, 'brief');
   */
  setMode(sessionId: string, modeId: string): Promise<void>;

  /**
   * Sets a configuration option, and makes the session live for that if it is not. Error: `invalid_argument` when the agent refuses.
   *
   * @example
   * await host.setConfigOption(sessionId, 'model', 'memo-large');
   */
  setConfigOption(sessionId: string, configId: string, value: string | boolean): Promise<void>;

  /**
   * What an agent says of itself in `initialize`. If this host does not know that yet, it starts the agent, and keeps the process for the
   * first session that needs this agent. Without `cwd` the process is started in no project's directory. Errors: those of starting an
   * agent.
   *
   * @example
   * const { capabilities, authMethods } = await host.describeAgent('mine');
   */
  describeAgent(agent: string, options?: DescribeOptions): Promise<AgentDescription>;

  /**
   * Sends the agent a request that the host does not send itself, such as an extension's, and resolves to its answer. Makes the session
   * live if it is not. Our session ids in it become the agent's, and in the answer the other way round. There is no time limit, since only
   * the caller knows how long an extension may take: until the agent answers, or `signal` withdraws the request, the session counts as in
   * use. Errors: those of `resume`, `invalid_argument` for a method that the host calls itself and for parameters that JSON cannot hold,
   * `limit_exceeded` for parameters beyond `promptBytes`, and `agent_protocol_error` with the agent's own error in `data.error`.
   *
   * @example
   * const usage = await host.request(sessionId, '_mine/usage', { since: 'yesterday' });
   */
  request(sessionId: string, method: string, params: unknown, options?: Pick<PromptOptions, 'signal' | 'client'>): Promise<unknown>;

  /**
   * Sends the agent a notification that the host does not send itself. Does nothing when the session is not live.
   *
   * @example
   * host.notify(sessionId, '_mine/seen', { seq: lastSeen });
   */
  notify(sessionId: string, method: string, params: unknown): void;

  /**
   * Signs in with one of the agent's own methods. The host uses that method again whenever the agent asks to sign in.
   *
   * @example
   * if (RehydrateError.is(error) && error.code === 'auth_required') await host.authenticate('mine', 'login');
   */
  authenticate(agent: string, methodId: string): Promise<void>;

  /**
   * Ends the live agent, and keeps the record. A running turn is interrupted. Errors: `session_not_found`, and `session_busy` when another
   * host runs the session.
   *
   * @example
   * await host.close(sessionId); // the next prompt starts an agent again
   */
  close(sessionId: string): Promise<void>;

  /**
   * Ends the live agent and removes the record. The agent's own session is deleted, too, if the agent has `session/delete` and a process of
   * it runs in this host for any session; no agent is started for that. Errors: `session_not_found`, and `session_busy` when the session is
   * live elsewhere.
   *
   * @example
   * await host.delete(sessionId);
   */
  delete(sessionId: string, options?: { /** The agent's own session stays. */ readonly recordOnly?: boolean | undefined }): Promise<void>;

  /**
   * A session as the record has it, with its state in this host. Starts no agent. Error: `session_not_found`.
   *
   * @example
   * const { title, openPermissions } = await host.get(sessionId);
   */
  get(sessionId: string): Promise<SessionInfo>;

  /**
   * Sessions, the most recently changed first; with `agent` or `cwd` only those of that agent or in that directory. `limit` defaults to
   * 100.
   *
   * @example
   * const { sessions, nextCursor } = await host.list({ agent: 'mine', limit: 20 });
   */
  list(options?: {
    readonly agent?: string | undefined;
    readonly cwd?: string | undefined;
    readonly cursor?: string | undefined;
    readonly limit?: number | undefined;
  }): Promise<SessionList>;

  /**
   * Events with `after < seq < before`, oldest first; without `limit` all of them. An `after` that is no number of this log is
   * `invalid_argument`: it is beyond the end, or belongs to a deleted session of the same id.
   *
   * @example
   * const events = await host.history(sessionId, { after: lastSeen, limit: 100 });
   */
  history(
    sessionId: string,
    options?: { readonly after?: number | undefined; readonly before?: number | undefined; readonly limit?: number | undefined },
  ): Promise<SessionEvent[]>;

  /**
   * Stored events, then live ones, without a gap or a repeat. Ends when the signal aborts, the session is deleted or the host sleeps. For
   * `after` see `history`.
   *
   * @example
   * for await (const event of host.events(sessionId, { after: lastSeen })) console.log(event.seq, event.kind);
   */
  events(
    sessionId: string,
    options?: { readonly after?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<SessionEvent>;

  /**
   * A bounded, redacted rendering of the log. `budget` is in bytes, by default the host's `preamble.budget`, else `limits.transcriptBytes`.
   *
   * @example
   * const text = await host.transcript(sessionId, { budget: 8_192 });
   */
  transcript(sessionId: string, options?: { readonly budget?: number | undefined }): Promise<string>;

  /**
   * The session of this id, created if there is none. For one that exists, `mcpServers` replaces its list as `update` does. Errors:
   * `invalid_argument` when the session has another agent or directory, and those of `create` and `update`.
   *
   * @example
   * const { sessionId } = await host.open('work', { agent: 'mine', cwd: process.cwd() });
   */
  open(sessionId: string, options: Omit<CreateOptions, 'sessionId'>): Promise<SessionInfo>;

  /**
   * Changes a session's title, its metadata, its directories or its MCP servers. Errors: `session_not_found`, `session_busy`,
   * `invalid_argument`.
   *
   * @example
   * await host.update(sessionId, { title: 'The shop', metadata: { ticket: 4711 } });
   */
  update(sessionId: string, changes: SessionChanges): Promise<SessionInfo>;

  /**
   * Sessions that are created, changed or deleted from now on, in any host of the database. Several changes of a session may come as one.
   *
   * @example
   * for await (const change of host.watch()) console.log(change.kind, change.sessionId);
   */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<SessionChange>;

  /**
   * Messages that contain all of the words, the latest first. A word is found at the beginning of words: `call` finds “called”.
   *
   * @example
   * const { hits, nextCursor } = await host.search('dog called', { limit: 20 });
   */
  search(words: string, options?: SearchRequest): Promise<SearchResult>;

  /**
   * A second session that begins with a copy of this one's record. Its agent gets that record with the first prompt, or forks its own
   * session.
   *
   * @example
   * const fork = await host.fork(sessionId, { after: event.seq });
   */
  fork(sessionId: string, options?: ForkOptions): Promise<SessionInfo>;

  /**
   * A page of the agent's own list of sessions; those that the record has, too, are marked by `sessionId`. Asks a running process of the
   * agent, or starts one and keeps it for the first session that needs it. The page of an agent without a list is empty. Errors: those of
   * starting an agent, `auth_required`, and `agent_protocol_error`.
   *
   * @example
   * const { sessions } = await host.agentSessions({ agent: 'mine', cwd: process.cwd() });
   */
  agentSessions(options: AgentSessionsOptions): Promise<AgentSessionList>;

  /**
   * Takes into the record a session that the agent has. What was said in it comes with the first resume, if the agent replays it. A session
   * that the record has already is returned as it is, so it is taken in only once, however many hosts ask. The agent is not asked: a
   * session that it does not have is `session_not_resumable` at the first resume. Error: `session_exists` when another session has the id.
   *
   * @example
   * const adopted = await host.adopt({ agent: 'mine', agentSessionId: 'theirs', cwd: process.cwd() });
   */
  adopt(options: AdoptOptions): Promise<SessionInfo>;

  /**
   * The session as lines of JSON. Known secrets and token shapes are replaced in every string; names of fields stay as they are.
   *
   * @example
   * for await (const line of host.export(sessionId)) console.log(line);
   */
  export(sessionId: string): AsyncIterable<string>;

  /**
   * Takes in an exported session, given as lines or as one text: whole or not at all. Errors: `invalid_argument`, which names the line, and
   * `session_exists`.
   *
   * @example
   * const copy = await host.import(host.export(sessionId), { sessionId: 'copy' });
   */
  import(lines: AsyncIterable<string> | Iterable<string>, options?: { readonly sessionId?: string | undefined }): Promise<SessionInfo>;

  /**
   * Ends everything that is live. The database is then ready for the next host. It stays open: the program that opened it closes it.
   *
   * @example
   * await host.sleep(); // the agents are gone, the sessions are not
   */
  sleep(): Promise<void>;
}
