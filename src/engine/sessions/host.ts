/** What a host can do, and what its calls may be given. */
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

/** What may be given to a single call. */
export interface PromptOptions {
  /**
   * Makes the prompt safe to repeat: the same key with the same content joins the running turn or gives
   * the stored result; with other content it is `idempotency_conflict`. Unique per session.
   */
  readonly idempotencyKey?: string | undefined;
  /** Further parameters of the agent's `session/prompt`, `_meta` among them. They are not stored. */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** Overrides the host's policy for this prompt. */
  readonly policy?: ResumePolicy | undefined;
  /**
   * Aborting cancels the turn, or the resume before it. A call that joined another's turn only stops waiting: it is
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
   * Further parameters of the agent's `session/new`, `_meta` among them. They are not stored; for as long as the host lives the agent is
   * given them again when it wakes.
   */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Answers what the agent asks, until a call names another client. */
  readonly client?: ClientServices | undefined;
}

export interface SessionChanges {
  /** Shown instead of the agent's own title, at most `titleBytes` long; null shows the agent's again. */
  readonly title?: string | null | undefined;
  /** What the program wants to keep with the session: a JSON object of at most 16 KiB. Null removes it. */
  readonly metadata?: Readonly<Record<string, unknown>> | null | undefined;
  /** Where the agent works from its next wake on: when the old directory was moved, say. */
  readonly cwd?: string | undefined;
  /**
   * The MCP servers from the next wake on, all of them: those that are not in the list are gone, and a value goes only to the server it
   * stands with here. Values are kept in memory only. A live agent keeps the servers it has; `close` the session to change them at once.
   */
  readonly mcpServers?: readonly McpServer[] | undefined;
  /** All of them, from the next wake on. Absolute. */
  readonly additionalDirectories?: readonly string[] | undefined;
}

export interface ForkOptions {
  /** The fork's id. Default: a fresh one. */
  readonly sessionId?: string | undefined;
  /** The last event it has of the original. Default: all there is. */
  readonly after?: number | undefined;
  /** Another agent makes it a handoff. One that the host does not know is `agent_not_found`. */
  readonly agent?: string | undefined;
  readonly cwd?: string | undefined;
}

export interface AdoptOptions {
  readonly agent: string;
  /** The agent's own id of the session. */
  readonly agentSessionId: string;
  readonly cwd: string;
  /** Default: a fresh one. The agent's own id will do, where the client knows the session by it. */
  readonly sessionId?: string | undefined;
  /** As the agent's list has it (`agentSessions`), until the agent gives another. */
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

/** What became of a session since it was last told of. */
export type SessionChange =
  | { readonly kind: 'created' | 'changed'; readonly sessionId: string; readonly info: SessionInfo }
  | { readonly kind: 'deleted'; readonly sessionId: string };

export interface Host {
  /** This host's id, as it stands in the leases it holds. */
  readonly hostId: string;

  /**
   * Starts an agent, opens a session with it and writes the session down. Errors: `session_exists`,
   * `agent_not_found`, `agent_start_failed`, `agent_timeout`, `agent_exited`, `agent_protocol_error`,
   * `auth_required`, `cwd_missing`, `limit_exceeded`, `invalid_argument`. On any of them nothing is left.
   *
   * @example
   * const { sessionId } = await host.create({ agent: 'mine', cwd: process.cwd() });
   */
  create(options: CreateOptions): Promise<CreatedSession>;

  /**
   * One turn. Makes the session live if it is not, stores the prompt, sends it, and resolves when the
   * agent has answered and that is stored. Errors: those of `resume`, and `turn_in_progress`,
   * `turn_outcome_unknown` (with `data.cause`), `idempotency_conflict`, `agent_protocol_error`,
   * `storage_full`, `limit_exceeded`. An error before the prompt was stored leaves no turn.
   *
   * @example
   * const { stopReason, report } = await host.prompt(sessionId, 'what did we decide?', { idempotencyKey: crypto.randomUUID() });
   */
  prompt(sessionId: string, content: string | readonly ContentBlock[], options?: PromptOptions): Promise<PromptResult>;

  /**
   * Makes the session live without prompting. Errors: `session_not_found`, `session_busy`,
   * `secret_missing`, `session_not_resumable`, `resume_indeterminate`, `auth_required`, and those of starting
   * an agent. When it fails, the agent's processes are gone before it rejects.
   *
   * @example
   * const { tier, verified } = await host.resume(sessionId, { policy: 'strict' });
   */
  resume(sessionId: string, options?: ResumeOptions): Promise<ResumeReport>;

  /**
   * What a successor would be told in front of the next prompt. Starts no agent, writes no file.
   *
   * @example
   * const [record] = await host.previewPreamble(sessionId, { mode: 'inline' });
   */
  previewPreamble(
    sessionId: string,
    options?: { readonly mode?: PreambleMode | undefined; readonly budget?: number | undefined },
  ): Promise<ContentBlock[]>;

  /**
   * Asks the agent to end its turn; resolves when the turn is over. Without a turn it does nothing. Errors: `session_not_found`, and
   * `session_busy` when another host runs the session.
   *
   * @example
   * await host.cancel(sessionId);
   */
  cancel(sessionId: string): Promise<void>;

  /**
   * Answers an open permission request; null cancels it. Errors: `invalid_argument` for an option that it does not offer, and the request
   * stays open; or for a request that is not open, or was cancelled before the answer was stored.
   *
   * @example
   * if (event.kind === 'permission_requested') {
   *   const { requestId, options } = event.payload;
   *   await host.respondPermission(sessionId, requestId, options[0].optionId);
   * }
   */
  respondPermission(sessionId: string, requestId: string, optionId: string | null): Promise<void>;

  /**
   * Makes the session live if need be and sets its mode. Error: `invalid_argument` when the agent refuses.
   *
   * @example
   * await host.setMode(sessionId, 'brief');
   */
  setMode(sessionId: string, modeId: string): Promise<void>;

  /**
   * Makes the session live if need be and sets a configuration option. Error: `invalid_argument` when the agent refuses.
   *
   * @example
   * await host.setConfigOption(sessionId, 'model', 'memo-large');
   */
  setConfigOption(sessionId: string, configId: string, value: string | boolean): Promise<void>;

  /**
   * What an agent says of itself. Starts it where this host does not know it yet; that process is kept, and becomes that of the
   * first session that asks for this agent. `cwd`: where it is started, if that is known; else in no project's directory. Errors: those
   * of starting an agent.
   *
   * @example
   * const { capabilities, authMethods } = await host.describeAgent('mine');
   */
  describeAgent(agent: string, options?: DescribeOptions): Promise<AgentDescription>;

  /**
   * Sends the agent a request that is not one of the host's own, such as an extension's, and resolves to its answer; makes the session live
   * if need be. Session ids in it are exchanged both ways. How long an extension may take is not the host's to say, so there is no time limit:
   * until the agent answers, or `signal` withdraws the request, the session is in use and not put to sleep as idle. Errors: those of `resume`,
   * `invalid_argument` for a method of the host's own and for parameters that JSON cannot hold, `limit_exceeded` for parameters beyond
   * `promptBytes`, and `agent_protocol_error` with the agent's own error in `data.error`.
   *
   * @example
   * const usage = await host.request(sessionId, '_mine/usage', { since: 'yesterday' });
   */
  request(sessionId: string, method: string, params: unknown, options?: Pick<PromptOptions, 'signal' | 'client'>): Promise<unknown>;

  /**
   * The same for a notification. Does nothing when the session is not live.
   *
   * @example
   * host.notify(sessionId, '_mine/seen', { seq: lastSeen });
   */
  notify(sessionId: string, method: string, params: unknown): void;

  /**
   * Signs in with one of the agent's own methods; it is used again when the agent asks for it.
   *
   * @example
   * if (RehydrateError.is(error) && error.code === 'auth_required') await host.authenticate('mine', 'login');
   */
  authenticate(agent: string, methodId: string): Promise<void>;

  /**
   * Ends the live agent; the record stays. A running turn is interrupted. Errors: `session_not_found`, and `session_busy` when another host
   * runs the session.
   *
   * @example
   * await host.close(sessionId); // the next prompt starts an agent again
   */
  close(sessionId: string): Promise<void>;

  /**
   * Ends the live agent and removes the record. The agent's own session is deleted, too, where the agent has `session/delete` and runs in
   * this host, for any session; no agent is started for it. Error: `session_busy` when it is live elsewhere.
   *
   * @example
   * await host.delete(sessionId);
   */
  delete(sessionId: string): Promise<void>;

  /**
   * Error: `session_not_found`. Starts no agent.
   *
   * @example
   * const { title, openPermissions } = await host.get(sessionId);
   */
  get(sessionId: string): Promise<SessionInfo>;

  /**
   * The most recently changed first, of one agent or in one directory if that is asked for. `limit` defaults to 100.
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
   * Events with `after < seq < before`, oldest first; without `limit` all of them. An `after` that is not a number of this log is
   * `invalid_argument`: beyond its end, or of a session that had the id before and was deleted.
   *
   * @example
   * const events = await host.history(sessionId, { after: lastSeen, limit: 100 });
   */
  history(
    sessionId: string,
    options?: { readonly after?: number | undefined; readonly before?: number | undefined; readonly limit?: number | undefined },
  ): Promise<SessionEvent[]>;

  /**
   * Stored events, then live ones: no gap, no repeat. Ends when the signal aborts, the session is deleted or the host sleeps. For
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
   * A bounded, redacted rendering of the log. `budget` in bytes, default the host's `preamble.budget`, else `limits.transcriptBytes`.
   *
   * @example
   * const text = await host.transcript(sessionId, { budget: 8_192 });
   */
  transcript(sessionId: string, options?: { readonly budget?: number | undefined }): Promise<string>;

  // Sessions as things to work with: opened by name, named, watched, found, copied, carried elsewhere.

  /**
   * The session of this id, created if there is none. In one that exists `mcpServers` replace its own, as with `update`. Errors:
   * `invalid_argument` when it has another agent or directory, and those of `create` and `update`.
   *
   * @example
   * const { sessionId } = await host.open('work', { agent: 'mine', cwd: process.cwd() });
   */
  open(sessionId: string, options: Omit<CreateOptions, 'sessionId'>): Promise<SessionInfo>;

  /**
   * Changes what a session is called, what is kept with it, or where it works. Errors: `session_not_found`, `session_busy`, `invalid_argument`.
   *
   * @example
   * await host.update(sessionId, { title: 'The shop', metadata: { ticket: 4711 } });
   */
  update(sessionId: string, changes: SessionChanges): Promise<SessionInfo>;

  /**
   * Sessions that are made, changed or deleted from now on, in any host of the database. Several changes of one may come as one.
   *
   * @example
   * for await (const change of host.watch()) console.log(change.kind, change.sessionId);
   */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<SessionChange>;

  /**
   * Messages in which every word begins a word, the latest first.
   *
   * @example
   * const { hits, nextCursor } = await host.search('dog called', { limit: 20 });
   */
  search(words: string, options?: SearchRequest): Promise<SearchResult>;

  /**
   * A second session that begins with this one's record. Its first prompt goes with that record.
   *
   * @example
   * const fork = await host.fork(sessionId, { after: event.seq });
   */
  fork(sessionId: string, options?: ForkOptions): Promise<SessionInfo>;

  /**
   * A page of the agent's own list of its sessions, those that the record knows among them. Asks an agent that runs, or starts it, and
   * keeps that process for the first session that wants it. An agent without a list has none to show. Errors: those of starting an agent,
   * `auth_required`, and `agent_protocol_error`.
   *
   * @example
   * const { sessions } = await host.agentSessions({ agent: 'mine', cwd: process.cwd() });
   */
  agentSessions(options: AgentSessionsOptions): Promise<AgentSessionList>;

  /**
   * A session that the agent has and the record does not; what was said in it comes at its first resume, if the agent replays it. One that
   * the record has already is given as it is, so that it comes in once, however often it is asked for, in any host. The agent is not asked:
   * a session that it does not have is `session_not_resumable` at the first resume, and the record has nothing of it. Error: `session_exists`
   * when another session has the id.
   *
   * @example
   * const adopted = await host.adopt({ agent: 'mine', agentSessionId: 'theirs', cwd: process.cwd() });
   */
  adopt(options: AdoptOptions): Promise<SessionInfo>;

  /**
   * The session as lines of JSON. Known secrets and token shapes are replaced in every text of it; names of fields stay as they are.
   *
   * @example
   * for await (const line of host.export(sessionId)) console.log(line);
   */
  export(sessionId: string): AsyncIterable<string>;

  /**
   * Takes in what `export` gave, line by line or as one text, whole or not at all. Errors: `invalid_argument` naming the line, `session_exists`.
   *
   * @example
   * const copy = await host.import(host.export(sessionId), { sessionId: 'copy' });
   */
  import(lines: AsyncIterable<string> | Iterable<string>, options?: { readonly sessionId?: string | undefined }): Promise<SessionInfo>;

  /**
   * Ends everything live. The database is ready for the next host, and stays open: the program that opened it closes it.
   *
   * @example
   * await host.sleep(); // the agents are gone, the sessions are not
   */
  sleep(): Promise<void>;
}
