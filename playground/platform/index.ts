/** What the playground needs of a browser: tests in Node have one of their own. */
import type { SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import type { BridgeAddress, BridgeAgent } from '../../src/adapters/websocket/index.ts';
import type { AgentLauncher } from '../../src/engine/ports.ts';
import type { ImportedFile } from './import-file.ts';
import type { ConsoleResult } from './sql-console.ts';

export type { BridgeAgent };
export type BridgeAccess = Pick<BridgeAddress, 'url' | 'token'>;

export interface Platform {
  /** Null is the main branch. `bytes`: what a new branch begins with. */
  openDatabase(branch: string | null, bytes?: Uint8Array): Promise<SqljsDatabase>;
  openInMemory(): Promise<SqljsDatabase>;
  /** What can be read of a damaged branch, and what is wrong with the rest. Changes nothing. */
  salvage(branch: string | null): Promise<{ readonly bytes: Uint8Array; readonly problem: string | null }>;
  /** Sound or not. The database is closed. */
  deleteDatabase(branch: string | null): Promise<void>;
  readonly tabAgents: {
    /** Later starts then need no network. */
    load(): Promise<void>;
    readonly names: readonly string[];
    describe(name: string): string;
    readonly launcher: AgentLauncher;
    forget(name: string): Promise<void>;
  };
  readonly bridge: {
    /** `locked`: this browser was not let in. Null: there is none. */
    discover(): Promise<BridgeAccess | 'locked' | null>;
    list(access: BridgeAccess): Promise<readonly BridgeAgent[]>;
    launcher(access: BridgeAccess): AgentLauncher;
  };
  /** Fetches what is needed later. */
  loadRest(): Promise<void>;
  runSql(bytes: Uint8Array, sql: string): Promise<ConsoleResult>;
  /** Rejects with why the file is not opened. */
  readFile(bytes: Uint8Array): Promise<ImportedFile>;
  /** Never secrets. */
  readonly memory: { read(): string | null; write(text: string): void; clear(): void };
  readonly tabs: { send(message: TabMessage): void; listen(listener: (message: TabMessage) => void): () => void };
  /** `leave`: what is written next becomes a new entry of the history. */
  readonly address: { read(): string; write(hash: string): void; leave(): void };
  /** Before the next frame, or soon when nothing is drawn. */
  schedule(run: () => void): void;
  download(name: string, bytes: Uint8Array): void;
  reload(): void;
}

/** What tabs ask of the one with the live session; and to begin anew. */
export type TabMessage =
  | { readonly type: 'give-up' | 'cancel'; readonly sessionId: string }
  | { readonly type: 'answer'; readonly sessionId: string; readonly requestId: string; readonly optionId: string | null }
  | { readonly type: 'reset' };
