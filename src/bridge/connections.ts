/** The connections of one bridge: open ones by name, and how ended ones went, for a while. */
import type { AgentExit } from '../engine/ports.ts';
import type { Client } from './client.ts';
import type { ConnectionDiagnostics } from '../adapters/websocket/exit.ts';
import type { BridgeLimits } from './limits.ts';

/** What can be asked of a connection, over HTTP too. */
export interface Connected {
  readonly id: string;
  readonly agent: string;
  /** Settles when what is behind the connection is gone. */
  readonly exited: Promise<AgentExit>;
  /** Settles when that and the socket are both gone. */
  readonly done: Promise<void>;
  readonly client: Client;
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  shutDown(): Promise<void>;
  diagnostics(): string;
}

export class Connections {
  /** Null while its agent starts. */
  readonly #open = new Map<string, (Connected & { exit: AgentExit | null }) | null>();
  readonly #ended = new Map<string, ConnectionDiagnostics>();
  readonly #limits: Pick<BridgeLimits, 'rememberMs' | 'remembered'>;

  constructor(limits: Pick<BridgeLimits, 'rememberMs' | 'remembered'>) {
    this.#limits = limits;
  }

  /** Connections whose tree or socket is not gone, those about to start included. */
  get size(): number {
    return this.#open.size;
  }

  get all(): readonly Connected[] {
    return [...this.#open.values()].filter((connection) => connection !== null);
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
    const entry = Object.assign(connection, { exit: null as AgentExit | null });
    this.#open.set(connection.id, entry);
    void connection.exited.then((exit) => {
      entry.exit = exit;
    });
    void connection.done.then(() => {
      this.remember(reportOf(entry));
      this.#open.delete(connection.id);
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
}

function reportOf(connection: Connected & { exit: AgentExit | null }): ConnectionDiagnostics {
  const { id, agent, exit, client } = connection;
  return { connection: id, agent, exit, ...(client.limit === undefined ? {} : { limit: client.limit }), stderr: connection.diagnostics() };
}
