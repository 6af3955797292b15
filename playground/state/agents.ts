/** Which agents can be played and where they run: in the tab, or behind the bridge, when there is one. */
import { signal } from '@preact/signals';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentLauncher, AgentSpec } from '../../src/engine/ports.ts';
import { RehydrateError } from '../../src/engine/errors.ts';
import type { Scenario } from '../scenarios/types.ts';
import { agentName, BRIDGE_PREFIX } from '../platform/bridge-prefix.ts';
import type { BridgeAccess, BridgeAgent, Platform } from '../platform/index.ts';
import { Absent, type Boot } from './pace.ts';
import { errorWords } from './words.ts';

export interface AgentChoice {
  /** What the session stores as its agent and a link names: the name, or `bridge:NAME`. */
  readonly key: string;
  readonly name: string;
  readonly where: 'tab' | 'bridge';
  readonly description: string;
  readonly group: (typeof AGENT_GROUPS)[number];
  readonly cwd: string;
}

/** What agents are for, in the order they are offered. */
export const AGENT_GROUPS = [
  'Your own',
  'Over the bridge',
  'Come back as they should',
  'Forget, or lie about it',
  'Replay oddly',
  'Bend the protocol',
  'Word “unknown session” their own way',
  'Hang or crash',
] as const;

/** The groups of the scripted agents; by the beginning of the name where it says enough. */
const GROUPED: readonly (readonly [group: (typeof AGENT_GROUPS)[number], names: RegExp])[] = [
  ['Come back as they should', /^(native|load|amnesiac|no-embedded)$/],
  ['Forget, or lie about it', /^(forgetful|liar|liar-resume|never-prompted-forgets)$/],
  ['Replay oddly', /^(late|replays-on-resume|other-chunks|no-message-ids|duplicate-replay|capped|foreign-turns)$/],
  ['Word “unknown session” their own way', /^unknown:/],
  ['Hang or crash', /^(hang-|crash-|stubborn$)/],
];

const groupOf = (name: string): AgentChoice['group'] => GROUPED.find(([, names]) => names.test(name))?.[0] ?? 'Bend the protocol';

export type BridgeState =
  | { readonly kind: 'none' }
  /** There is one, and this browser was not let in. */
  | { readonly kind: 'locked' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'connected'; readonly url: string; readonly agents: readonly string[]; readonly cwd: string | null }
  | { readonly kind: 'failed'; readonly why: string }
  /** It was connected, and does not answer any more. */
  | { readonly kind: 'lost'; readonly why: string };

/** What somebody does whose browser the page's own server has not let in. */
export const LOCKED = 'To use the agents of this machine, open the page by the address that npm start printed in its terminal.';

/** The working directory of agents in the tab: their files are rows of the database. */
export const TAB_CWD = '/workspace';

function choices(platform: Platform, bridged: readonly BridgeAgent[]): readonly AgentChoice[] {
  const scripted = new Set(platform.tabAgents.names);
  return [
    ...bridged.map((agent): AgentChoice => ({
      key: BRIDGE_PREFIX + agent.name,
      name: agent.name,
      where: 'bridge',
      description: scripted.has(agent.name)
        ? `${platform.tabAgents.describe(agent.name)} It runs as a process of its own, in ${agent.cwd}.`
        : `Your own agent behind the bridge. It runs in ${agent.cwd}, with your rights.`,
      group: scripted.has(agent.name) ? 'Over the bridge' : 'Your own',
      cwd: agent.cwd,
    })),
    ...platform.tabAgents.names.map((name): AgentChoice => ({
      key: name,
      name,
      where: 'tab',
      description: `${platform.tabAgents.describe(name)} It runs in a worker of this tab.`,
      group: groupOf(name),
      cwd: TAB_CWD,
    })),
  ];
}

/** The agent a scenario is played with: over the bridge when it can be, else in the tab. */
export function agentFor(scenario: Scenario, agents: readonly AgentChoice[]): AgentChoice | null {
  const bridged = agents.filter((agent) => agent.where === 'bridge');
  if (scenario.agent === 'own') {
    const scripted = new Set(agents.filter((agent) => agent.where === 'tab').map((agent) => agent.name));
    return bridged.find((agent) => !scripted.has(agent.name)) ?? bridged[0] ?? null;
  }
  const named = (list: readonly AgentChoice[]) => list.find((agent) => agent.name === scenario.agent);
  return (scenario.bridge ? named(bridged) : undefined) ?? named(agents.filter((agent) => agent.where === 'tab')) ?? null;
}

/** The agent a link or a memory names. An unprefixed name means the tab first, then the bridge. */
export function agentNamed(key: string | null | undefined, agents: readonly AgentChoice[]): AgentChoice | null {
  if (!key) return null;
  return agents.find((agent) => agent.key === key) ?? agents.find((agent) => agent.name === key) ?? null;
}

/** How often a bridge is looked after while the page uses it. */
const BRIDGE_LOOK_MS = 10_000;

/** The agents there are. The bridge's token stays in this object: never in a page, a link or a store. */
export class Agents {
  readonly bridge = signal<BridgeState>({ kind: 'none' });
  readonly list = signal<readonly AgentChoice[]>([]);
  readonly #platform: Platform;
  readonly #boot: Boot;
  #access: BridgeAccess | null = null;
  /** It is the one of the page's own server, which may start it anew under another address. */
  #own = false;
  #looking: ReturnType<typeof setTimeout> | undefined;

  constructor(platform: Platform, boot: Boot) {
    this.#platform = platform;
    this.#boot = boot;
    this.list.value = choices(platform, []);
  }

  named(key: string): AgentChoice | null {
    return this.list.value.find((agent) => agent.key === key) ?? null;
  }

  /** The bridge of the page's own server. Rejects with `Absent` where there is none. */
  async discover(): Promise<void> {
    const access = await this.#platform.bridge.discover();
    if (access === 'locked') {
      this.bridge.value = { kind: 'locked' };
      throw new Absent(`${LOCKED} Until then the agents run in this tab.`);
    }
    if (!access) throw new Absent('No bridge here: the agents run in this tab. Connect one of your own at any time.');
    await this.#use(access);
    this.#own = true;
  }

  async connect(access: BridgeAccess): Promise<void> {
    this.bridge.value = { kind: 'connecting' };
    try {
      await this.#use(access);
      this.#own = false;
    } catch (error) {
      this.bridge.value = { kind: 'failed', why: errorWords(error) };
    }
  }

  disconnect(): void {
    this.stop();
    this.#access = null;
    this.bridge.value = { kind: 'none' };
    this.list.value = choices(this.#platform, []);
  }

  /** Whether the bridge is still there, or the page's own server has another in its place. What runs behind it is told by its own end. */
  async lookAfterBridge(): Promise<void> {
    const access = this.#access;
    if (!access || !['connected', 'lost'].includes(this.bridge.value.kind)) return;
    clearTimeout(this.#looking);
    try {
      await this.#use(access).catch((error: unknown) => {
        if (!this.#own) throw error;
        return this.discover();
      });
    } catch {
      if (this.#access !== access) return;
      const why = `The bridge at ${access.url} does not answer, or not to this page any more. Start it again, then connect it.`;
      this.bridge.value = { kind: 'lost', why };
      this.#boot.lost('Bridge', why);
      this.#lookLater();
    }
  }

  stop(): void {
    clearTimeout(this.#looking);
  }

  /** One launcher for all agents: the prefix decides where to. */
  launcher(): AgentLauncher {
    return {
      launch: async (spec, options) => {
        const { bridge, tabAgents } = this.#platform;
        if (!spec.agent.startsWith(BRIDGE_PREFIX)) return tabAgents.launcher.launch(spec, options);
        if (this.#access) return bridge.launcher(this.#access).launch({ ...spec, agent: agentName(spec.agent) }, options);
        throw new RehydrateError(
          'agent_start_failed',
          `The agent ${agentName(spec.agent)} is behind a bridge, and none is connected. Connect the bridge, then send the prompt again.`,
          { agent: spec.agent },
        );
      },
    };
  }

  async #use(access: BridgeAccess): Promise<void> {
    const before = this.#access;
    const bridged: readonly BridgeAgent[] = await this.#platform.bridge.list(access);
    // Another one was connected meanwhile, or this one let go.
    if (this.#access !== before) return;
    this.#access = access;
    this.bridge.value = { kind: 'connected', url: access.url, agents: bridged.map((agent) => agent.name), cwd: bridged[0]?.cwd ?? null };
    const list = choices(this.#platform, bridged);
    if (JSON.stringify(list) !== JSON.stringify(this.list.value)) this.list.value = list;
    this.#boot.found('Bridge');
    this.#lookLater();
  }

  #lookLater(): void {
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => void this.lookAfterBridge(), BRIDGE_LOOK_MS);
  }
}

/**
 * What a bridged agent is started with and asked: it works where its bridge says, with its own environment and servers and no
 * other directory. Whatever rows a session has, they are data, and choose nothing on a real disk.
 */
export function confinedSpec(spec: AgentSpec, agents: readonly AgentChoice[]): AgentSpec {
  if (!spec.agent.startsWith(BRIDGE_PREFIX)) return spec;
  // An agent that its bridge does not offer is refused by the bridge.
  const cwd = agents.find((agent) => agent.key === spec.agent)?.cwd ?? '/';
  return { agent: spec.agent, cwd, sessionId: spec.sessionId };
}

/** The requests that give an agent a place to work in. */
const PLACING: readonly unknown[] = ['session/new', 'session/load', 'session/resume', 'session/fork', 'session/list'];

export function confined({ agent, cwd }: AgentSpec, message: AnyMessage): AnyMessage {
  if (!agent.startsWith(BRIDGE_PREFIX)) return message;
  const { method, params } = message as { method?: unknown; params?: Readonly<Record<string, unknown>> };
  if (!PLACING.includes(method) || typeof params !== 'object' || params === null) return message;
  const { additionalDirectories: _, mcpServers, ...rest } = params;
  return { ...message, params: { ...rest, cwd, ...(mcpServers === undefined ? {} : { mcpServers: [] }) } } as AnyMessage;
}
