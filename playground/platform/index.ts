/**
 * What the playground needs of a browser, as interfaces: the store is then testable in Node, and the
 * bindings stand in one file (`browser.ts`).
 */
import type { SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import type { BridgeAddress, BridgeAgent } from '../../src/adapters/websocket/index.ts';
import type { AgentLauncher } from '../../src/engine/ports.ts';
import type { ImportedFile } from './import-file.ts';
import type { ConsoleResult } from './sql-console.ts';

export type { BridgeAgent };
export type BridgeAccess = Pick<BridgeAddress, 'url' | 'token'>;

export interface Platform {
  /** Opens the database of a branch; null is the main one. `bytes` is what a new branch begins with. */
  openDatabase(branch: string | null, bytes?: Uint8Array): Promise<SqljsDatabase>;
  /** An empty one in memory alone. */
  openInMemory(): Promise<SqljsDatabase>;
  /** What can be read of a damaged branch, as a SQLite file, and what is wrong with the rest. Changes nothing. */
  salvage(branch: string | null): Promise<{ readonly bytes: Uint8Array; readonly problem: string | null }>;
  /** Deletes the database of a branch, sound or not. It is closed. */
  deleteDatabase(branch: string | null): Promise<void>;
  readonly tabAgents: {
    /** Fetches what starts them, so that later starts need no network. */
    load(): Promise<void>;
    readonly names: readonly string[];
    describe(name: string): string;
    readonly launcher: AgentLauncher;
    forget(name: string): Promise<void>;
  };
  readonly bridge: {
    /** What the page's own server tells about its bridge; `locked` when this browser was not let in, null where it has none. */
    discover(): Promise<BridgeAccess | 'locked' | null>;
    list(access: BridgeAccess): Promise<readonly BridgeAgent[]>;
    launcher(access: BridgeAccess): AgentLauncher;
  };
  /** Fetches what is needed later, when the page has nothing better to do. */
  loadRest(): Promise<void>;
  runSql(bytes: Uint8Array, sql: string): Promise<ConsoleResult>;
  /** A database file from elsewhere as one of our own making with its rows. Rejects with why it is not opened. */
  readFile(bytes: Uint8Array, onRows: (rows: number) => void): Promise<ImportedFile>;
  /** Small choices that outlive the page. Never secrets. */
  readonly memory: { read(): string | null; write(text: string): void; clear(): void };
  readonly tabs: { send(message: TabMessage): void; listen(listener: (message: TabMessage) => void): () => void };
  /** `leave`: what is written next is another place, and the one before it is a step back. */
  readonly address: { read(): string; write(hash: string): void; leave(): void };
  /** Calls back before the next frame is drawn, or soon when nothing is drawn. */
  schedule(run: () => void): void;
  download(name: string, bytes: Uint8Array): void;
  reload(): void;
}

/** What tabs ask of the one in which a session is live; and to begin anew. */
export type TabMessage =
  | { readonly type: 'give-up' | 'cancel'; readonly sessionId: string }
  | { readonly type: 'answer'; readonly sessionId: string; readonly requestId: string; readonly optionId: string | null }
  | { readonly type: 'reset' };
