/**
 * The ports: what the engine needs from outside. Each has a contract suite in `src/testing/`, which every adapter in `src/adapters/`
 * passes.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { fieldsOf } from './objects.ts';

// ---------------------------------------------------------------- storage

/** A value SQLite can store. Integers are JavaScript numbers: nothing here exceeds 2^53. */
export type SqlValue = string | number | null | Uint8Array;

/** One row, by column name. */
export type Row = Readonly<Record<string, SqlValue>>;

/** One statement with its bound parameters (`?` placeholders, in order). */
export interface Statement {
  readonly sql: string;
  readonly params?: readonly SqlValue[];
  /** What it stores, in a word, such as the kind of an event. Only an adapter that keeps a journal may want it. */
  readonly note?: string;
}

/** The rows of a SELECT or of a RETURNING clause; of any other statement none. */
export interface StatementResult {
  readonly rows: readonly Row[];
}

/**
 * Storage. Every unit of work is one atomic batch; there are no interactive transactions.
 * Calls are serialised in the order they were made. Failures are `SqlError`s.
 */
export interface SqlDatabase {
  /** Runs one statement that reads. Never sees a part of a batch, nor a batch that was not acknowledged. */
  query(sql: string, params?: readonly SqlValue[]): Promise<readonly Row[]>;
  /** Runs all statements in one transaction: all or nothing, durable when the promise resolves. */
  batch(statements: readonly Statement[]): Promise<readonly StatementResult[]>;
  /** Waits for what was asked before, then closes. Calling it again does nothing. */
  close(): Promise<void>;
  /**
   * The owners of sessions in this database, if the adapter knows them: processes of one machine for a file, tabs of one origin in a
   * browser. `createHost` uses it unless it is given `ownerAlive`.
   */
  readonly owners?: OwnerRegistry;
}

/** Tells other hosts of the same database who this host is, and this host whether those are still there. */
export interface OwnerRegistry {
  /** Identifies the process or tab as the owner of a lease. Never changes while it lives. */
  readonly self: Omit<LeaseOwner, 'hostId'>;
  /** Called when a host opens, so that two hosts of one process can be told apart. */
  opened(hostId: string): void;
  /** Called when a host has gone to sleep. */
  closed(hostId: string): void;
  alive: OwnerAlive;
}

/** The owner of a session's lease. Stored as JSON; unknown fields are kept. */
export interface LeaseOwner {
  /** Random, one for each host object. */
  readonly hostId: string;
  /** What the owner is, for messages: `process`, `tab`, `actor`. */
  readonly kind: string;
  readonly pid?: number;
  /** When the process started, in the platform's own unit. With `pid` and `bootId` it identifies a process for good. */
  readonly startTime?: string;
  /** Changes when the machine boots. */
  readonly bootId?: string;
  /** The machine, if `bootId` alone cannot tell a reboot from another machine. */
  readonly machine?: string;
  /** The process id namespace (of a container) in which `pid` is valid. */
  readonly pidNamespace?: string;
  /** The worker thread, if one process has hosts in several. */
  readonly thread?: number;
  /** The name of the Web Lock that the owner holds while it lives. */
  readonly lock?: string;
}

export type OwnerAlive = (owner: LeaseOwner) => boolean | 'unknown' | Promise<boolean | 'unknown'>;

/** Why a statement failed, as far as the engine distinguishes. */
export type SqlErrorKind =
  | 'constraint' // a CHECK, UNIQUE, NOT NULL or FOREIGN KEY was violated; the batch was rolled back
  | 'corrupt' // SQLITE_CORRUPT or SQLITE_NOTADB
  | 'full' // SQLITE_FULL, or the browser's quota
  | 'busy' // SQLITE_BUSY or SQLITE_LOCKED after the adapter's own waiting
  | 'readonly'
  | 'io' // SQLITE_IOERR, SQLITE_CANTOPEN
  | 'closed' // the database was closed
  | 'other'; // SQLite refused the statement: a table is missing, say

const CODES: Readonly<Partial<Record<SqlErrorKind, 'database_corrupt' | 'storage_full' | 'storage_unavailable'>>> = {
  corrupt: 'database_corrupt',
  full: 'storage_full',
  busy: 'storage_unavailable',
  readonly: 'storage_unavailable',
  io: 'storage_unavailable',
  closed: 'storage_unavailable',
  other: 'storage_unavailable',
};

/**
 * The only error a `SqlDatabase` rejects with.
 *
 * @example
 * throw new SqlError('full', 'The disk is full.');
 */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly kind: SqlErrorKind;
  /** The library's error code for this kind, so that a database which cannot be opened has the same `code` as one that fails in a host. */
  readonly code: 'database_corrupt' | 'storage_full' | 'storage_unavailable' | undefined;
  constructor(kind: SqlErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
    this.code = CODES[kind];
  }
}

// ---------------------------------------------------------------- agents

/**
 * A two-way stream of JSON-RPC messages, structurally the ACP SDK's `Stream`. When `readable` errors, the transport failed; when it closes,
 * the agent has said its last word.
 */
export interface MessageStream {
  readonly readable: ReadableStream<AnyMessage>;
  readonly writable: WritableStream<AnyMessage>;
}

/** What to start. */
export interface AgentSpec {
  /** The agent's name, as given to `host.create`. */
  readonly agent: string;
  /**
   * The session's working directory. Absent for an agent that is started without a session, to be asked about itself. Start that one
   * neither in a project's directory nor in the host's own, whose files it would read as its configuration.
   */
  readonly cwd?: string;
  /** Environment values for this session, on top of what the launcher gives. */
  readonly env?: Readonly<Record<string, string>>;
  readonly sessionId: string;
}

/** Where agents come from. */
export interface AgentLauncher {
  /**
   * Starts an agent. Rejects with a `RehydrateError` (`agent_not_found`, `agent_start_failed`, `cwd_missing`, `limit_exceeded`). When it
   * rejects, or `signal` aborts, nothing is left running.
   */
  launch(spec: AgentSpec, options: { signal: AbortSignal }): Promise<AgentProcess>;
}

/** One live agent process, however it is reached. */
export interface AgentProcess {
  readonly stream: MessageStream;
  /** Settles exactly once, when the whole tree is gone; never rejects. */
  readonly exited: Promise<AgentExit>;
  /**
   * Ends the whole process tree and resolves when it is gone. `ask` closes stdin, then sends SIGTERM, then SIGKILL; `kill` sends SIGKILL at
   * once. A second call joins the first, and `kill` hurries an `ask`.
   */
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  /** The last lines that the agent wrote to stderr, and those on stdout that are not JSON-RPC. */
  diagnostics(): string;
  /**
   * The lines of its output so far that were meant as messages and could not be read: how many, and the beginning of the last. Null when
   * there are none. Absent if the transport has no lines.
   */
  dropped?(): DroppedLines | null;
}

/** Output of an agent that was lost because it is not JSON-RPC. What the agent said may be incomplete. */
export interface DroppedLines {
  readonly lines: number;
  readonly last: string;
}

/** How an agent process ended. Only `ended` is clean (I8). */
export type AgentExit = { readonly stderr?: string } & (
  | { readonly kind: 'ended'; readonly code: 0; readonly signal: null } // asked to end, and exited 0
  | { readonly kind: 'quit'; readonly code: 0; readonly signal: null } // exited 0 without being asked
  | { readonly kind: 'failed'; readonly code: number; readonly signal: null } // exited non-zero
  | { readonly kind: 'signalled'; readonly code: null; readonly signal: string } // died of a signal we did not send
  | { readonly kind: 'killed'; readonly code: number | null; readonly signal: string; readonly why?: string } // we had to send this signal
  | { readonly kind: 'not_started'; readonly code: null; readonly signal: null; readonly message: string }
  | { readonly kind: 'disconnected'; readonly code: null; readonly signal: null; readonly message: string }
);

/**
 * True only for an exit with code 0 that was asked for (I8).
 *
 * @example
 * isCleanExit({ kind: 'quit', code: 0, signal: null }); // false: nobody asked
 */
export function isCleanExit(exit: AgentExit): boolean {
  return exit.kind === 'ended';
}

/**
 * An exit in words, for messages: “died of SIGKILL”, “exited with code 3”.
 *
 * @example
 * if (event.kind === 'agent_exited') console.log(`The agent ${describeExit(event.payload)}.`);
 */
export function describeExit(exit: AgentExit): string {
  switch (exit.kind) {
    case 'ended':
      return 'ended as asked';
    case 'quit':
      return 'exited with code 0 without being asked';
    case 'failed':
      return `exited with code ${exit.code}`;
    case 'signalled':
      return `died of ${exit.signal}`;
    case 'killed':
      return `was ended with ${exit.signal}${exit.why === undefined ? '' : `, because ${exit.why}`}`;
    case 'not_started':
      return `could not start: ${exit.message}`;
    case 'disconnected':
      return `was disconnected: ${exit.message}`;
  }
}

/** The value as an exit; null unless it is one in every part. It may come over a network or from any launcher, and is stored and shown. */
export function asExit(value: unknown): AgentExit | null {
  const { kind, code, signal, message, why, stderr } = fieldsOf(value);
  const isText = (text: unknown): boolean => typeof text === 'string';
  const none = code === null && signal === null;
  const isNumber = Number.isSafeInteger(code);
  const fits: Readonly<Record<AgentExit['kind'], boolean>> = {
    ended: code === 0 && signal === null,
    quit: code === 0 && signal === null,
    failed: isNumber && signal === null,
    signalled: code === null && isText(signal),
    killed: (isNumber || code === null) && isText(signal),
    not_started: none && isText(message),
    disconnected: none && isText(message),
  };
  const isExit = typeof kind === 'string' && Object.hasOwn(fits, kind) && fits[kind as AgentExit['kind']];
  return isExit && [why, stderr].every((text) => text === undefined || isText(text)) ? (value as AgentExit) : null;
}

// ---------------------------------------------------------------- secrets and files

/** Where the secret values of an MCP server go: its address, or its command with the arguments. */
export interface McpPlace {
  readonly url?: string;
  readonly command?: string;
  readonly args?: readonly string[];
}

/** Names a secret value. */
export interface SecretRef {
  readonly sessionId: string;
  readonly kind: 'env' | 'mcp-env' | 'mcp-header';
  /** The MCP server's name, for the two `mcp-` kinds. */
  readonly server?: string;
  /** Where the value will go, for the two `mcp-` kinds. Do not return a value that was given for another place. */
  readonly place?: McpPlace;
  readonly name: string;
}

/** Gives secret values again at resume. On Node: from `process.env`. */
export type Secrets = (ref: SecretRef) => string | undefined | Promise<string | undefined>;

/** Writes the preambles of mode `file`, as private files outside the user's tree. */
export interface PreambleFiles {
  /** Writes the text, readable by its owner alone, and returns the file's absolute path. */
  write(sessionId: string, text: string): Promise<string>;
  /** Removes what was written for the session. */
  remove(sessionId: string): Promise<void>;
}

/** What the host offers to agents beyond permissions: ACP's `fs/*` and `terminal/*`, elicitation, extensions. */
export interface ClientServices {
  /** The client's name and version, as the agent is told. Default: those of this library. */
  readonly info?: { readonly name: string; readonly version: string } | undefined;
  /** Advertised in `initialize`. Advertise only what `handle` answers. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Answers one request of the agent. A thrown error becomes the JSON-RPC error. */
  handle(request: ClientServiceRequest): Promise<unknown>;
  /** Takes a notification that the host does not handle itself. The agent is read on when the promise settles. Errors are ignored. */
  notify?(notification: ClientServiceNotification): void | Promise<void>;
  /** The session's agent is gone: ends what was started for it, and resolves when that is gone, too. */
  release(sessionId: string): Promise<void>;
}

export interface ClientServiceNotification {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** The host's own session id, never the agent's. */
  readonly sessionId: string;
}

export interface ClientServiceRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** The host's own session id, never the agent's. */
  readonly sessionId: string;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  /** Aborted when nobody wants the answer any more: the turn was cancelled, the agent withdrew the request, or is gone. */
  readonly signal: AbortSignal;
}
