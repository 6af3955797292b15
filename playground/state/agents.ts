/** The agents that a person can choose, in the tab and behind the bridge, and the connection to the bridge. */
import { signal } from '@preact/signals';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError, type AgentLauncher, type AgentSpec } from '../../src/engine/index.ts';
import type { Scenario } from '../scenarios/types.ts';
import { agentName, BRIDGE_PREFIX, isBridged } from '../platform/bridge-prefix.ts';
import type { BridgeAccess, BridgeAgent, Platform } from '../platform/index.ts';
import { Absent, type Boot } from './pace.ts';
import { errorWords, label } from './words.ts';

export interface AgentChoice {
  /** `NAME` in the tab, `bridge:NAME` behind the bridge; sessions and links store it. */
  readonly key: string;
  readonly name: string;
  readonly where: 'tab' | 'bridge';
  readonly description: string;
  readonly group: string;
  readonly cwd: string;
}

const OWN = 'Your own';
const BRIDGED = 'Over the bridge';

/** The groups of scripted agents, in display order. An agent belongs to the first group whose pattern matches its name. */
const SCRIPTED: Readonly<Record<string, RegExp>> = {
  'Come back as they should': /^(native|load|amnesiac|no-embedded)$/,
  'Forget, or lie about it': /^(forgetful|liar|liar-resume|never-prompted-forgets)$/,
  'Replay oddly': /^(late|replays-on-resume|other-chunks|no-message-ids|duplicate-replay|capped|foreign-turns)$/,
  'Bend the protocol': /^(?!unknown:|hang-|crash-|stubborn$)/,
  'Word “unknown session” their own way': /^unknown:/,
  'Hang or crash': /./,
};

export const AGENT_GROUPS: readonly string[] = [OWN, BRIDGED, ...Object.keys(SCRIPTED)];

type BridgeState =
  | { readonly kind: 'none' }
  /** There is a bridge, but this browser has not been let in. */
  | { readonly kind: 'locked' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'connected'; readonly url: string; readonly agents: readonly string[]; readonly cwd: string | null }
  | { readonly kind: 'failed'; readonly why: string }
  /** The bridge no longer answers this page. */
  | { readonly kind: 'lost'; readonly why: string };

export const LOCKED = 'To use the agents of this machine, open the page at the address that npm start printed in its terminal.';

const ANEW = 'npm start runs anew, and has not let this browser in yet. Open the page at the address that it printed this time.';

const GONE = 'npm start does not answer any more. Start it again, and open the page at the address that it prints.';

const NO_BRIDGE = 'No bridge here: the agents run in this tab. Connect one of your own at any time.';

export const TAB_CWD = '/workspace';

function choices({ names, describe }: Platform['tabAgents'], bridged: readonly BridgeAgent[]): readonly AgentChoice[] {
  const behind = bridged.map(({ name, cwd }): AgentChoice => {
    const ours = names.includes(name);
    const description = ours
      ? `${describe(name)} It runs as a process of its own, in ${cwd}.`
      : `Your own agent behind the bridge. It runs in ${cwd}, with your rights.`;
    return { key: BRIDGE_PREFIX + name, name, where: 'bridge', description, group: ours ? BRIDGED : OWN, cwd };
  });
  const inTab = names.map((name): AgentChoice => {
    const [group] = Object.entries(SCRIPTED).find(([, of]) => of.test(name))!;
    return { key: name, name, where: 'tab', description: `${describe(name)} It runs in a worker of this tab.`, group, cwd: TAB_CWD };
  });
  return [...behind, ...inTab];
}

/** The scenario's agent: behind the bridge if the scenario allows that and the bridge offers it, else in the tab. `own` is always behind it. */
export function agentFor(scenario: Scenario, agents: readonly AgentChoice[]): AgentChoice | null {
  const bridged = agents.filter((agent) => agent.where === 'bridge');
  if (scenario.agent === 'own') return bridged.find(({ group }) => group === OWN) ?? bridged[0] ?? null;
  const named = (list: readonly AgentChoice[]) => list.find((agent) => agent.name === scenario.agent);
  return (scenario.bridge ? named(bridged) : undefined) ?? named(agents.filter((agent) => agent.where === 'tab')) ?? null;
}

/** A name without a prefix is looked up in the tab first, then behind the bridge. */
export function agentNamed(key: string | null | undefined, agents: readonly AgentChoice[]): AgentChoice | null {
  if (!key) return null;
  return agents.find((agent) => agent.key === key) ?? agents.find((agent) => agent.name === key) ?? null;
}

class Locked extends Absent {}

const BRIDGE_LOOK_MS = 10_000;

/** The bridge's token never leaves this function: it is not put into the page, a link or storage. */
export function createAgents({ bridge: bridges, tabAgents }: Platform, boot: Boot) {
  const bridge = signal<BridgeState>({ kind: 'none' });
  const list = signal(choices(tabAgents, []));
  let access: BridgeAccess | null = null;
  /** Whether the bridge belongs to the server of this page, which may restart it at another address. */
  let own = false;
  let looking: ReturnType<typeof setTimeout> | undefined;

  const stop = () => clearTimeout(looking);

  function lookLater(): void {
    stop();
    looking = setTimeout(() => void lookAfterBridge(), BRIDGE_LOOK_MS);
  }

  async function use(found: BridgeAccess): Promise<void> {
    const before = access;
    const bridged = await bridges.list(found);
    // Meanwhile another bridge was connected, or this one was disconnected.
    if (access !== before) return;
    access = found;
    bridge.value = { kind: 'connected', url: found.url, agents: bridged.map((agent) => agent.name), cwd: bridged[0]?.cwd ?? null };
    const now = choices(tabAgents, bridged);
    if (JSON.stringify(now) !== JSON.stringify(list.value)) list.value = now;
    boot.set('Bridge', 'ready');
    lookLater();
  }

  /** Rejects with `Absent` when there is no bridge, and with `Locked` when it has not let this browser in. */
  async function discover(): Promise<void> {
    const found = await bridges.discover();
    if (found === 'locked') {
      if (bridge.value.kind !== 'failed') bridge.value = { kind: 'locked' };
      throw new Locked(`${LOCKED} Until then the agents run in this tab.`);
    }
    if (!found) throw new Absent(NO_BRIDGE);
    await use(found);
    own = true;
  }

  /** Checks that the bridge, or its replacement by the page's own server, still answers. */
  async function lookAfterBridge(): Promise<void> {
    const looked = access;
    if (!looked || bridge.value.kind === 'connecting') return;
    stop();
    try {
      await use(looked).catch((error: unknown) => {
        if (!own) throw error;
        return discover();
      });
    } catch (error) {
      if (access !== looked) return;
      const locked = error instanceof Locked;
      const lost = own
        ? GONE
        : `The bridge at ${looked.url} does not answer, or not to this page any more. Start it again, then connect it.`;
      const why = locked ? ANEW : lost;
      // Keep the reason why connecting to another bridge failed, so that it can be read.
      if (!locked && bridge.value.kind !== 'failed') bridge.value = { kind: 'lost', why };
      boot.set('Bridge', 'lost', why);
      lookLater();
    }
  }

  const launch: AgentLauncher['launch'] = async (spec, options) => {
    if (!isBridged(spec.agent)) return tabAgents.launcher.launch(spec, options);
    const over = (to: BridgeAccess) => bridges.launcher(to).launch({ ...spec, agent: agentName(spec.agent) }, options);
    const known = access;
    if (known)
      return over(known).catch(async (error: unknown) => {
        // If the page's own server has restarted, it has a new bridge.
        if (own) await lookAfterBridge();
        if (access === null || access === known) throw error;
        return over(access);
      });
    throw new RehydrateError(
      'agent_start_failed',
      `The agent ${agentName(spec.agent)} is behind a bridge, and none is connected. Connect the bridge, then send the prompt again.`,
      { agent: spec.agent },
    );
  };

  return {
    bridge,
    list,
    missing(key: string): string {
      const name = label(agentName(key), 'without a name', 80);
      if (!isBridged(key)) return `The agent “${name}” of this session is not here.`;
      const remedy = bridge.value.kind === 'locked' ? LOCKED : 'Connect the bridge to go on with it.';
      return `The agent “${name}” of this session is behind a bridge, which is not connected. ${remedy}`;
    },
    discover,
    lookAfterBridge,
    stop,
    launch,
    named: (key: string): AgentChoice | null => list.value.find((agent) => agent.key === key) ?? null,

    async connect(found: BridgeAccess): Promise<void> {
      bridge.value = { kind: 'connecting' };
      try {
        await use(found);
        own = false;
      } catch (error) {
        bridge.value = { kind: 'failed', why: errorWords(error) };
        // The previous bridge is still in use: keep checking it.
        if (access) lookLater();
      }
    },

    disconnect(): void {
      stop();
      access = null;
      bridge.value = { kind: 'none' };
      boot.set('Bridge', 'absent', NO_BRIDGE);
      list.value = choices(tabAgents, []);
    },
  };
}

/**
 * A bridged agent gets its directory, environment and MCP servers from its bridge, and never from the session's rows: those may come from
 * a file, and must not choose anything on a real disk.
 */
export function confinedSpec(spec: AgentSpec, agents: readonly AgentChoice[]): AgentSpec {
  if (!isBridged(spec.agent)) return spec;
  // The bridge refuses an agent that it does not offer.
  const cwd = agents.find((agent) => agent.key === spec.agent)?.cwd ?? '/';
  return { agent: spec.agent, cwd, sessionId: spec.sessionId };
}

const METHODS_WITH_CWD: readonly unknown[] = ['session/new', 'session/load', 'session/resume', 'session/fork', 'session/list'];

/** The same confinement for a message to the agent. */
export function confined({ agent, cwd }: AgentSpec, message: AnyMessage): AnyMessage {
  if (!isBridged(agent)) return message;
  const { method, params } = message as { method?: unknown; params?: Readonly<Record<string, unknown>> };
  if (!METHODS_WITH_CWD.includes(method) || typeof params !== 'object' || params === null) return message;
  const { additionalDirectories: _, mcpServers, ...rest } = params;
  return { ...message, params: { ...rest, cwd, ...(mcpServers === undefined ? {} : { mcpServers: [] }) } } as AnyMessage;
}
