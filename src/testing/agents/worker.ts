/**
 * A scripted agent in a web worker. The worker's name has its options, as a query: `variant=native&store=NAME&pace=1`. `store` names an
 * IndexedDB database (default: one for each variant); `store=memory` keeps nothing.
 */
import { workerAgent } from '../../adapters/worker/agent-side.ts';
import type { PortLike } from '../../adapters/worker/frames.ts';
import { agentStoreName, indexedDbStore } from './idb-store.ts';
import { serveInWorker } from './worker-agent.ts';
import { isAgentVariant } from './variants.ts';

declare const self: PortLike & { readonly name: string };

const parameters = new URLSearchParams(self.name);
const variant = parameters.get('variant') ?? 'native';
if (!isAgentVariant(variant)) throw new Error(`There is no scripted agent “${variant}”.`);
const store = parameters.get('store') ?? agentStoreName(variant);
await serveInWorker(await workerAgent(self), {
  variant,
  pace: Number(parameters.get('pace') ?? '1'),
  ...(store === 'memory' ? {} : { store: await indexedDbStore(store) }),
});
