/** A scripted agent on a worker's port, whatever kind of worker it is. */
import type { Stream } from '@agentclientprotocol/sdk';
import type { WorkerAgentScope } from '../../adapters/worker/agent-side.ts';
import { checkOptions } from '../../engine/check-options.ts';
import { runScriptedAgent } from './agent.ts';
import { memoryStore, type SessionStore } from './store.ts';
import { sleeper } from './surroundings.ts';
import { type AgentVariant, behaviourOf } from './variants.ts';

export interface ServeInWorkerOptions {
  readonly variant: AgentVariant;
  /** Default: one in memory. */
  readonly store?: SessionStore | undefined;
  /** Multiplies the agent's pauses. Default 1. */
  readonly pace?: number | undefined;
}

/**
 * Serves until the host asks it to end, closes the stream, or the agent exits of itself.
 *
 * @example
 * await serveInWorker(await workerAgent(self), { variant: 'native' });
 */
export async function serveInWorker(scope: WorkerAgentScope, options: ServeInWorkerOptions): Promise<void> {
  checkOptions('serveInWorker', options, ['variant', 'store', 'pace']);
  const { variant, store = memoryStore(), pace = 1 } = options;
  const around = { ...scope, env: (name: string) => scope.start.env[name], sleep: sleeper(pace) };
  const { closed } = runScriptedAgent(scope.stream as Stream, { variant, store, around });
  if (behaviourOf(variant).stubborn) return;
  await Promise.race([closed, scope.asked]);
  // The host heeds the first exit only.
  scope.exit(0);
}
