/** The host's public interface. */
import type {
  ContentBlock,
  PreambleMode,
  PromptResult,
  ResumePolicy,
  ResumeReport,
  SessionEvent,
  SessionInfo,
  SessionList,
} from '../types.ts';
import type { CreateOptions } from './options.ts';

export interface PromptOptions {
  /**
   * Makes the prompt safe to repeat: the same key with the same content joins the running turn or gives
   * the stored result; with other content it is `idempotency_conflict`. Unique per session.
   */
  readonly idempotencyKey?: string;
  /** Overrides the host's policy for this prompt. */
  readonly policy?: ResumePolicy;
  /**
   * Aborting cancels the turn, or the resume before it. A call that joined another's turn only stops waiting: it rejects
   * with the signal's reason, and the turn goes on.
   */
  readonly signal?: AbortSignal;
}

export interface Host {
  /** This host's id, as it stands in the leases it holds. */
  readonly hostId: string;

  /**
   * Starts an agent, opens a session with it and writes the session down. Errors: `session_exists`,
   * `agent_not_found`, `agent_start_failed`, `agent_timeout`, `agent_exited`, `agent_protocol_error`,
   * `auth_required`, `cwd_missing`, `limit_exceeded`, `invalid_argument`. On any of them nothing is left.
   */
  create(options: CreateOptions): Promise<SessionInfo>;

  /**
   * One turn. Makes the session live if it is not, stores the prompt, sends it, and resolves when the
   * agent has answered and that is stored. Errors: those of `resume`, and `turn_in_progress`,
   * `turn_outcome_unknown` (with `data.cause`), `idempotency_conflict`, `agent_protocol_error`,
   * `storage_full`, `limit_exceeded`. An error before the prompt was stored leaves no turn.
   */
  prompt(sessionId: string, content: string | readonly ContentBlock[], options?: PromptOptions): Promise<PromptResult>;

  /**
   * Makes the session live without prompting. Errors: `session_not_found`, `session_busy`,
   * `secret_missing`, `session_not_resumable`, `resume_indeterminate`, `auth_required`, and those of starting
   * an agent. When it fails, the agent's processes are gone before it rejects.
   */
  resume(sessionId: string, options?: { readonly policy?: ResumePolicy; readonly signal?: AbortSignal }): Promise<ResumeReport>;

  /** What a successor would be told in front of the next prompt. Starts no agent, writes no file. */
  previewPreamble(sessionId: string, options?: { readonly mode?: PreambleMode; readonly budget?: number }): Promise<ContentBlock[]>;

  /** Asks the agent to end its turn; resolves when the turn is over. Without a turn it does nothing. */
  cancel(sessionId: string): Promise<void>;

  /** Answers an open permission request; null cancels it. Error: `invalid_argument`, and the request stays open. */
  respondPermission(sessionId: string, requestId: string, optionId: string | null): Promise<void>;

  /** Makes the session live if need be and sets its mode. Error: `invalid_argument` when the agent refuses. */
  setMode(sessionId: string, modeId: string): Promise<void>;

  /** Makes the session live if need be and sets a configuration option. Error: `invalid_argument` when the agent refuses. */
  setConfigOption(sessionId: string, configId: string, value: string | boolean): Promise<void>;

  /** Signs in with one of the agent's own methods; it is used again when the agent asks for it. */
  authenticate(agent: string, methodId: string): Promise<void>;

  /** Ends the live agent; the record stays. A running turn is interrupted. */
  close(sessionId: string): Promise<void>;

  /** Ends the live agent and removes the record. Error: `session_busy` when it is live elsewhere. */
  delete(sessionId: string): Promise<void>;

  /** Error: `session_not_found`. Starts no agent. */
  get(sessionId: string): Promise<SessionInfo>;

  /** The most recently changed first. `limit` defaults to 100. */
  list(options?: { readonly cursor?: string; readonly limit?: number }): Promise<SessionList>;

  /** Events with `after < seq < before`, oldest first; without `limit` all of them. */
  history(
    sessionId: string,
    options?: { readonly after?: number; readonly before?: number; readonly limit?: number },
  ): Promise<SessionEvent[]>;

  /** Stored events, then live ones: no gap, no repeat. Ends when the signal aborts, the session is deleted or the host sleeps. */
  events(sessionId: string, options?: { readonly after?: number; readonly signal?: AbortSignal }): AsyncIterable<SessionEvent>;

  /** A bounded, redacted rendering of the log. `budget` in bytes, default the host's `preamble.budget`, else `limits.transcriptBytes`. */
  transcript(sessionId: string, options?: { readonly budget?: number }): Promise<string>;

  /** Ends everything live. The database is ready for the next host, and stays open: whoever opened it closes it. */
  sleep(): Promise<void>;
}
