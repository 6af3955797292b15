/** The bridge this page uses, if any. Its token stays in this object: never in a page, a link or a store. */
import { signal } from '@preact/signals';
import { choices, type AgentChoice, type BridgeState } from './agents.ts';
import { Absent } from './boot.ts';
import type { BridgeAccess, BridgeAgent, Platform } from './platform.ts';
import { errorWords } from './words.ts';

/** What somebody does whose browser the page's own server has not let in. */
export const LOCKED = 'To use the agents of this machine, open the page by the address that npm start printed in its terminal.';

export class BridgeLink {
  readonly state = signal<BridgeState>({ kind: 'none' });
  readonly agents = signal<readonly AgentChoice[]>([]);
  readonly #platform: Platform;
  #access: BridgeAccess | null = null;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.agents.value = choices(platform, []);
  }

  get access(): BridgeAccess | null {
    return this.#access;
  }

  /** The bridge of the page's own server. Rejects with `Absent` where there is none. */
  async discover(): Promise<void> {
    const access = await this.#platform.bridge.discover();
    if (access === 'locked') {
      this.state.value = { kind: 'locked' };
      throw new Absent(`${LOCKED} Until then the agents run in this tab.`);
    }
    if (!access) throw new Absent('No bridge here: the agents run in this tab. Connect one of your own at any time.');
    await this.#use(access);
  }

  async connect(access: BridgeAccess): Promise<void> {
    this.state.value = { kind: 'connecting' };
    try {
      await this.#use(access);
    } catch (error) {
      this.state.value = { kind: 'failed', why: errorWords(error) };
    }
  }

  disconnect(): void {
    this.#access = null;
    this.state.value = { kind: 'none' };
    this.agents.value = choices(this.#platform, []);
  }

  async #use(access: BridgeAccess): Promise<void> {
    const bridged: readonly BridgeAgent[] = await this.#platform.bridge.list(access);
    this.#access = access;
    this.state.value = { kind: 'connected', url: access.url, agents: bridged.map((agent) => agent.name), cwd: bridged[0]?.cwd ?? null };
    this.agents.value = choices(this.#platform, bridged);
  }
}
