/** Which agents can be played, where they run, and what becomes of a name in a link. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentLauncher } from '../../src/engine/ports.ts';
import { RehydrateError } from '../../src/engine/errors.ts';
import type { Scenario } from '../scenarios/types.ts';
import type { BridgeAccess, BridgeAgent, Platform } from './platform.ts';

export interface AgentChoice {
  /** What the session stores as its agent and a link names: the name, or `bridge:NAME`. */
  readonly key: string;
  readonly name: string;
  readonly where: 'tab' | 'bridge';
  readonly description: string;
  readonly cwd: string;
}

export type BridgeState =
  | { readonly kind: 'none' }
  /** There is one, and this browser was not let in. */
  | { readonly kind: 'locked' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'connected'; readonly url: string; readonly agents: readonly string[]; readonly cwd: string | null }
  | { readonly kind: 'failed'; readonly why: string };

export const BRIDGE_PREFIX = 'bridge:';
/** The working directory of agents in the tab: their files are rows of the database. */
export const TAB_CWD = '/workspace';

export function choices(platform: Platform, bridged: readonly BridgeAgent[]): readonly AgentChoice[] {
  const scripted = new Set(platform.tabAgents.names);
  return [
    ...bridged.map((agent): AgentChoice => ({
      key: BRIDGE_PREFIX + agent.name,
      name: agent.name,
      where: 'bridge',
      description: scripted.has(agent.name)
        ? `${platform.tabAgents.describe(agent.name)} It runs as a process of its own, in ${agent.cwd}.`
        : `Your own agent behind the bridge. It runs in ${agent.cwd}, with your rights.`,
      cwd: agent.cwd,
    })),
    ...platform.tabAgents.names.map((name): AgentChoice => ({
      key: name,
      name,
      where: 'tab',
      description: `${platform.tabAgents.describe(name)} It runs in a worker of this tab.`,
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

/** One launcher for all agents: the prefix decides where to. */
export function launcherFor(platform: Platform, access: () => BridgeAccess | null): AgentLauncher {
  return {
    async launch(spec, options) {
      if (!spec.agent.startsWith(BRIDGE_PREFIX)) return platform.tabAgents.launcher.launch(spec, options);
      const bridge = access();
      if (bridge) return platform.bridge.launcher(bridge).launch({ ...spec, agent: spec.agent.slice(BRIDGE_PREFIX.length) }, options);
      throw new RehydrateError(
        'agent_start_failed',
        `The agent ${spec.agent} is behind a bridge, and none is connected. Connect the bridge, then send the prompt again.`,
        { agent: spec.agent },
      );
    },
  };
}

/**
 * What a bridged agent is started with and asked: it works where its bridge says, with its own environment and servers and no
 * other directory. Whatever rows a session has, they are data, and choose nothing on a real disk.
 */
export function bridgeConfined(inner: AgentLauncher, agents: () => readonly AgentChoice[]): AgentLauncher {
  return {
    async launch(spec, options) {
      if (!spec.agent.startsWith(BRIDGE_PREFIX)) return inner.launch(spec, options);
      const { agent: key, sessionId } = spec;
      // An agent that its bridge does not offer is refused by the bridge.
      const cwd = agents().find((agent) => agent.key === key)?.cwd ?? '/';
      const agent = await inner.launch({ agent: key, cwd, sessionId }, options);
      const writer = agent.stream.writable.getWriter();
      const writable = new WritableStream<AnyMessage>({
        write: (message) => writer.write(confinedTo(cwd, message)),
        close: () => writer.close(),
        abort: (reason) => writer.abort(reason),
      });
      return {
        stream: { readable: agent.stream.readable, writable },
        exited: agent.exited,
        end: (how) => agent.end(how),
        diagnostics: () => agent.diagnostics(),
      };
    },
  };
}

/** The requests that give an agent a place to work in. */
const PLACING: readonly unknown[] = ['session/new', 'session/load', 'session/resume', 'session/fork', 'session/list'];

export function confinedTo(cwd: string, message: AnyMessage): AnyMessage {
  const { method, params } = message as { method?: unknown; params?: Readonly<Record<string, unknown>> };
  if (!PLACING.includes(method) || typeof params !== 'object' || params === null) return message;
  const { additionalDirectories: _, mcpServers, ...rest } = params;
  return { ...message, params: { ...rest, cwd, ...(mcpServers === undefined ? {} : { mcpServers: [] }) } } as AnyMessage;
}
