/** A scripted agent on a worker's port, whatever kind of worker it is. */
import type { Stream } from '@agentclientprotocol/sdk';
import type { WorkerAgentScope } from '../../adapters/worker/agent-side.ts';
import { runScriptedAgent } from './agent.ts';
import { memoryStore, type SessionStore } from './store.ts';
import { sleeper } from './surroundings.ts';
import { type AgentVariant, behaviourOf } from './variants.ts';

export interface ServeInWorkerOptions {
  readonly variant: AgentVariant;
  /** Default: one in memory. */
  readonly store?: SessionStore;
  /** Multiplies the agent's pauses. Default 1. */
  readonly pace?: number;
}

/**
 * Serves until the host asks it to end, closes the stream, or the agent exits of itself.
 *
 * @example
 * await serveInWorker(await workerAgent(self), { variant: 'native' });
 */
export async function serveInWorker(scope: WorkerAgentScope, options: ServeInWorkerOptions): Promise<void> {
  let over = false;
  const exit = (code: number) => {
    if (over) return;
    over = true;
    scope.exit(code);
  };
  const { closed } = runScriptedAgent(scope.stream as Stream, {
    variant: options.variant,
    store: options.store ?? memoryStore(),
    around: {
      exit,
      log: scope.log,
      print: scope.print,
      env: (name) => scope.start.env[name],
      sleep: sleeper(options.pace ?? 1),
    },
  });
  if (behaviourOf(options.variant).stubborn) return;
  await Promise.race([closed, scope.asked]);
  exit(0);
}
