/** Whatever a client sends, it breaks nothing: every request is answered once, and the next honest one works. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { PATIENT } from '../../integration/engine/helpers.ts';
import { pair } from '../../support/pair.ts';
import { IN_V2, PROTOCOL } from '../../support/protocol.ts';
import { record } from '../../support/record.ts';

const METHODS = [
  'initialize', 'authenticate', 'session/new', 'session/load', 'session/resume', 'session/list', 'session/delete', 'session/close',
  'session/prompt', 'session/set_mode', 'session/set_config_option', 'session/cancel', '$/cancel_request', '_x/y', 'constructor', '__proto__', '',
]; // prettier-ignore

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('s', 'nobody', '/project', 'demo', ''),
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom('sessionId', 'cwd', 'mcpServers', 'prompt', 'type', 'text', '_meta', 'rehydrate', 'after', 'cursor', 'x'),
      tie('value'),
    ),
  ),
})).value;

const FRAMES = process.env['FAULTS'] === 'full' ? 300_000 : process.env['FAULTS'] === 'few' ? 1_000 : 3_000;

it('I10: frames of every shape are answered or ignored, and an honest client works after them', async () => {
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({ database, agents: inProcessLauncher(), limits: PATIENT, protocol: PROTOCOL });
  await host.create({ agent: 'demo', cwd: '/project', sessionId: 's' });
  const frame = fc.oneof(
    fc.record(
      { id: fc.oneof(fc.integer(), fc.string(), fc.constant(null)), method: fc.constantFrom(...METHODS), params: value },
      { requiredKeys: ['method'] },
    ),
    fc.record({ id: fc.integer({ min: 0, max: 20 }), result: value }, { requiredKeys: ['id'] }),
    fc.record({ id: value, error: value, method: value }, { requiredKeys: [] }),
    value,
  );
  for (const batch of Array.from({ length: FRAMES / 100 }, (_, round) => fc.sample(frame, { numRuns: 100, seed: 7 + round }))) {
    const { client, server } = pair();
    const serving = serveAcp(host, server, { agent: 'demo' });
    const answered: unknown[] = [];
    const reading = (async () => {
      for await (const message of client.readable) {
        const { id, method } = message as { id?: unknown; method?: unknown };
        if (method === undefined && id !== null) answered.push(id);
      }
    })();
    const writer = client.writable.getWriter();
    const asked: unknown[] = [];
    const hello = { jsonrpc: '2.0', id: 'hello', method: 'initialize', params: { protocolVersion: 2, info: { name: 'f', version: '1' } } };
    for (const each of IN_V2 ? [hello, ...batch] : batch) {
      const plain = each as { id?: unknown; method?: unknown } | null;
      const asks =
        typeof plain === 'object' &&
        plain !== null &&
        !Array.isArray(plain) &&
        typeof plain.method === 'string' &&
        plain.id !== undefined &&
        plain.id !== null;
      if (asks) asked.push(plain.id);
      await writer.write(each as never);
    }
    await serving.idle();
    await writer.write({ jsonrpc: '2.0', id: 'honest', method: 'session/list', params: {} } as never);
    await expect.poll(() => answered.includes('honest')).toBe(true);
    expect(answered.filter((id) => id !== 'honest')).toHaveLength(asked.length);
    await writer.close();
    await serving.closed;
    await reading;
  }
  await host.sleep();
  await database.close();
  record('server-frames', { what: 'frames of every shape sent by clients to our agent side', tried: FRAMES, through: 0 });
});
