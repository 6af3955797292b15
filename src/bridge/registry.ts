/** The connections of one bridge: open ones by name, ended ones for a while. */
import type { AgentExit } from '../engine/ports.ts';
import type { Client } from './client.ts';
import type { ConnectionDiagnostics } from './close.ts';

/** What can be asked of a connection, over HTTP too. */
export interface Connected {
  readonly id: string;
  readonly agent: string;
  readonly exited: Promise<AgentExit>;
  readonly done: Promise<void>;
  readonly client: Client;
  end(how: 'ask' | 'kill'): Promise<AgentExit>;
  shutDown(): Promise<void>;
  diagnostics(): string;
}

interface Memory {
  readonly report: ConnectionDiagnostics;
  readonly forget: NodeJS.Timeout;
}

export class Registry {
  readonly #open = new Map<string, Connected & { exit: AgentExit | null }>();
  readonly #ended = new Map<string, Memory>();
  /** Names given out before their agent has started. */
  readonly #starting = new Set<string>();
  readonly #rememberMs: number;
  readonly #remembered: number;

  constructor(limits: { readonly rememberMs: number; readonly remembered: number }) {
    this.#rememberMs = limits.rememberMs;
    this.#remembered = limits.remembered;
  }

  /** Connections whose tree or socket is not gone, those about to start included. */
  get size(): number {
    return this.#open.size + this.#starting.size;
  }

  get all(): readonly Connected[] {
    return [...this.#open.values()];
  }

  get(id: string): Connected | undefined {
    return this.#open.get(id);
  }

  taken(id: string): boolean {
    return this.#open.has(id) || this.#ended.has(id) || this.#starting.has(id);
  }

  reserve(id: string): void {
    this.#starting.add(id);
  }

  release(id: string): void {
    this.#starting.delete(id);
  }

  add(connection: Connected): void {
    this.#starting.delete(connection.id);
    const entry = Object.assign(connection, { exit: null as AgentExit | null });
    this.#open.set(connection.id, entry);
    void connection.exited.then((exit) => {
      entry.exit = exit;
    });
    void connection.done.then(async () => {
      this.#open.delete(connection.id);
      this.remember({
        connection: connection.id,
        agent: connection.agent,
        exit: await connection.exited,
        stderr: connection.diagnostics(),
      });
    });
  }

  remember(report: ConnectionDiagnostics): void {
    const forget = setTimeout(() => this.#ended.delete(report.connection), this.#rememberMs).unref();
    this.#ended.set(report.connection, { report, forget });
    for (const [id, memory] of this.#ended) {
      if (this.#ended.size <= this.#remembered) break;
      clearTimeout(memory.forget);
      this.#ended.delete(id);
    }
  }

  report(id: string): ConnectionDiagnostics | undefined {
    const open = this.#open.get(id);
    if (open === undefined) return this.#ended.get(id)?.report;
    return { connection: id, agent: open.agent, exit: open.exit, stderr: open.diagnostics() };
  }

  clear(): void {
    for (const memory of this.#ended.values()) clearTimeout(memory.forget);
    this.#ended.clear();
  }
}
