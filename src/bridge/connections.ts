/** The connections of one bridge by name: open ones, and for a while the reports of ended ones. */
import type { AgentExit } from '../engine/ports.ts';
import type { Client } from './client.ts';
import type { ConnectionDiagnostics } from '../adapters/websocket/exit.ts';
import type { BridgeLimits } from './limits.ts';

/** A client and its agent or stream. */
export interface Connected {
  readonly agent: string;
  readonly client: Client;
  /** Settles when the agent or the stream has ended. */
  readonly exited: Promise<AgentExit>;
  /** Settles when that and the socket are both gone. */
  readonly done: Promise<unknown>;
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  diagnostics(): string;
}

type Entry = Connected & { exit: AgentExit | null };

export class Connections {
  /** A name has null while its agent starts. */
  readonly #open = new Map<string, Entry | null>();
  readonly #ended = new Map<string, ConnectionDiagnostics>();
  readonly #limits: BridgeLimits;

  constructor(limits: BridgeLimits) {
    this.#limits = limits;
  }

  /** Counts those that are starting, and those whose process tree or socket is not gone yet. */
  get size(): number {
    return this.#open.size;
  }

  get(id: string): Connected | undefined {
    return this.#open.get(id) ?? undefined;
  }

  taken(id: string): boolean {
    return this.#open.has(id) || this.#ended.has(id);
  }

  reserve(id: string): void {
    this.#open.set(id, null);
  }

  release(id: string): void {
    if (this.#open.get(id) === null) this.#open.delete(id);
  }

  add(connection: Connected): void {
    const { id } = connection.client;
    const entry: Entry = { ...connection, exit: null };
    this.#open.set(id, entry);
    void connection.exited.then((exit) => {
      entry.exit = exit;
    });
    void connection.done.then(() => {
      this.remember(reportOf(entry));
      this.#open.delete(id);
    });
  }

  remember(report: ConnectionDiagnostics): void {
    this.#ended.set(report.connection, report);
    setTimeout(() => {
      if (this.#ended.get(report.connection) === report) this.#ended.delete(report.connection);
    }, this.#limits.rememberMs).unref();
    for (const id of this.#ended.keys()) {
      if (this.#ended.size <= this.#limits.remembered) break;
      this.#ended.delete(id);
    }
  }

  report(id: string): ConnectionDiagnostics | undefined {
    const open = this.#open.get(id);
    return open ? reportOf(open) : this.#ended.get(id);
  }

  /** Ends all agents, tells the clients that the bridge is shutting down, and resolves when both are gone. */
  async shutDown(): Promise<void> {
    const open = [...this.#open.values()].filter((entry) => entry !== null);
    await Promise.all(open.map(({ client, end, done }) => client.shutDown(() => end('ask')).then(() => done)));
  }
}

function reportOf({ agent, exit, client, diagnostics }: Entry): ConnectionDiagnostics {
  return { connection: client.id, agent, exit, limit: client.limit, stderr: diagnostics() };
}
