import { describe, expect, it } from 'vitest';
import { createPermissions } from '../../../src/engine/sessions/permissions.ts';
import type { SessionWriter } from '../../../src/engine/storage/writer.ts';

/** Permissions on a writer that answers as told. */
const onWriter = (append: () => Promise<unknown>) =>
  createPermissions({
    config: { permission: async () => undefined, clock: () => 0, newId: () => 'r', limits: { openPermissions: 4 } },
    context: { sessionId: 's', redact: (value) => value },
    writer: { append } as unknown as SessionWriter,
  });
const WANTED = new AbortController().signal;
const QUESTION = { toolCall: { toolCallId: 't' }, options: [{ optionId: 'once', name: 'Once', kind: 'allow_once' }] };

it('I2: a permission request that could not be stored leaves no answer in the log either', async () => {
  const permissions = onWriter(() => Promise.reject(new Error('full')));
  await expect(permissions.ask(WANTED, QUESTION, 't')).rejects.toThrow('full');
  expect(permissions.open).toEqual([]);
  expect(permissions.cancelAll()).toEqual([]);
});

describe.each(['is stored', 'cannot be stored'])('I12: what is cancelled while its answer is being stored, which %s', (outcome) => {
  it('has an end in the log, as the agent was told, and who answered is told', async () => {
    const storing = Promise.withResolvers<void>();
    const writes = [Promise.resolve(), storing.promise];
    const permissions = onWriter(() => writes.shift()!);
    const answered = permissions.ask(WANTED, QUESTION, 't');
    await new Promise(setImmediate);
    const responding = permissions.respond('r', 'once');
    expect(permissions.cancelAll()).toMatchObject([
      { kind: 'permission_resolved', turnId: 't', payload: { requestId: 'r', optionId: null, by: 'end' } },
    ]);
    if (outcome === 'is stored') storing.resolve();
    else storing.reject(new Error('full'));
    await expect(responding).rejects.toThrow(outcome === 'is stored' ? 'no open permission request' : 'full');
    expect(await answered).toEqual({ result: { outcome: { outcome: 'cancelled' } } });
  });
});

describe('two options under one id', () => {
  const options = (...kinds: string[]) => ({
    toolCall: { toolCallId: 't' },
    options: kinds.map((kind, i) => ({ optionId: 'x', name: `Option ${i}`, kind })),
  });

  it('of one kind are offered as one', async () => {
    const permissions = onWriter(() => Promise.resolve());
    const answered = permissions.ask(WANTED, options('allow_once', 'allow_once'), 't');
    await expect.poll(() => permissions.open).toMatchObject([{ options: [{ optionId: 'x', name: 'Option 0' }] }]);
    await permissions.respond('r', 'x');
    expect(await answered).toEqual({ result: { outcome: { outcome: 'selected', optionId: 'x' } } });
  });

  it('of two kinds are refused, so that nobody allows by rejecting', async () => {
    const permissions = onWriter(() => Promise.resolve());
    expect(await permissions.ask(WANTED, options('reject_once', 'allow_always'), 't')).toMatchObject({
      error: { code: -32602, message: expect.stringContaining('have the optionId "x"') as string },
    });
    expect(permissions.open).toEqual([]);
  });
});
