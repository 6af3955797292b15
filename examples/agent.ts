/** An ACP agent in a worker of a page: here a scripted one, with a store of its own. */
import { indexedDbStore, serveInWorker } from 'acp-rehydrate/testing';
import { workerAgent, type PortLike } from 'acp-rehydrate/worker';

// An agent of your own speaks ACP on `scope.stream`, and calls `scope.exit(0)` once `scope.asked` resolves.
void workerAgent(globalThis as unknown as PortLike).then(async (scope) => {
  await serveInWorker(scope, { variant: 'native', store: await indexedDbStore('agent') });
});
