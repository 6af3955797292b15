/** What an agent asks of one client. */
import { expect, it } from 'vitest';
import type { RpcResponse } from '../../../src/engine/protocol/json-rpc.ts';
import { clientServices } from '../../../src/server/client-services.ts';

it.each(['the turn is cancelled', 'the agent is gone'])('a terminal that the client makes after %s is released', async (when) => {
  const created = Promise.withResolvers<RpcResponse | null>();
  const asked: [string, unknown][] = [];
  const services = clientServices({
    connection: {
      request(method, params, signal) {
        asked.push([method, params]);
        signal?.addEventListener('abort', () => created.resolve(null));
        return method === 'terminal/create' ? created.promise : Promise.resolve({ result: {} });
      },
      offer: () => Promise.resolve(),
    },
    capabilities: () => ({}),
    namesOf: () => undefined,
    caughtUp: () => Promise.resolve(),
  });
  const abort = new AbortController();
  const params = { sessionId: 's', command: 'sleep' };
  const made = services
    .handle({ method: 'terminal/create', params, sessionId: 's', cwd: '/', additionalDirectories: [], signal: abort.signal })
    .catch(() => undefined);
  abort.abort();
  if (when === 'the agent is gone') await services.release('s');
  created.resolve({ result: { terminalId: 't1' } });
  await made;
  expect(asked).toEqual([
    ['terminal/create', params],
    ['terminal/release', { sessionId: 's', terminalId: 't1' }],
  ]);
});
