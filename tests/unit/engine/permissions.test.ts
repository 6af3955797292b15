import { expect, it } from 'vitest';
import { createPermissions } from '../../../src/engine/host/permissions.ts';
import type { SessionWriter } from '../../../src/engine/storage/writer.ts';

it('I2: a permission request that could not be stored leaves no answer in the log either', async () => {
  const writer = { append: () => Promise.reject(new Error('full')) } as unknown as SessionWriter;
  const permissions = createPermissions({ sessionId: 's', writer, rule: () => undefined, clock: () => 0, newId: () => 'r', maxOpen: 4, redact: (value) => value });
  await expect(permissions.ask(1, { toolCall: { toolCallId: 't' }, options: [{ optionId: 'once', name: 'Once', kind: 'allow_once' }] }, 't')).rejects.toThrow('full');
  expect(permissions.open).toEqual([]);
  expect(permissions.cancelAll()).toEqual([]);
});
