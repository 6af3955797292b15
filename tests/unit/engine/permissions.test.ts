import { describe, expect, it } from 'vitest';
import { createPermissions } from '../../../src/engine/sessions/permissions.ts';
import type { SessionWriter, Work } from '../../../src/engine/storage/writer.ts';

/** Permissions on a writer that answers as told, and what they had kept for later. */
function onWriter(append: () => Promise<unknown>) {
  const kept: Work[] = [];
  const writer = { append } as unknown as SessionWriter;
  const permissions = createPermissions({
    config: { permission: () => undefined, clock: () => 0, newId: () => 'r', limits: { openPermissions: 4 } },
    context: { sessionId: 's', redact: (value) => value },
    writer,
    keepUnwritten: (_, work) => kept.push(work),
  });
  return { permissions, kept };
}
const QUESTION = { toolCall: { toolCallId: 't' }, options: [{ optionId: 'once', name: 'Once', kind: 'allow_once' }] };

it('I2: a permission request that could not be stored leaves no answer in the log either', async () => {
  const { permissions, kept } = onWriter(() => Promise.reject(new Error('full')));
  await expect(permissions.ask(1, QUESTION, 't')).rejects.toThrow('full');
  expect(permissions.open).toEqual([]);
  expect(permissions.cancelAll()).toEqual([]);
  expect(kept).toEqual([]);
});

it('I12: an answer that cannot be stored while the turn ends leaves the question with an end', async () => {
  let refuse: (error: Error) => void = () => undefined;
  const writes = [() => Promise.resolve(), () => new Promise((_, reject) => (refuse = reject))];
  const { permissions, kept } = onWriter(() => writes.shift()!());
  const answered = permissions.ask(1, QUESTION, 't');
  await new Promise(setImmediate);
  const responding = permissions.respond('r', 'once');
  expect(permissions.cancelAll()).toEqual([]);
  refuse(new Error('full'));
  await expect(responding).rejects.toThrow('full');
  expect(kept.flatMap(({ events }) => events)).toMatchObject([
    { kind: 'permission_resolved', turnId: 't', payload: { requestId: 'r', optionId: null, by: 'end' } },
  ]);
  expect(await answered).toEqual({ result: { outcome: { outcome: 'cancelled' } } });
});

describe('two options under one id', () => {
  const options = (...kinds: string[]) => ({
    toolCall: { toolCallId: 't' },
    options: kinds.map((kind, i) => ({ optionId: 'x', name: `Option ${i}`, kind })),
  });

  it('of one kind are offered as one', async () => {
    const { permissions } = onWriter(() => Promise.resolve());
    const answered = permissions.ask(1, options('allow_once', 'allow_once'), 't');
    await expect.poll(() => permissions.open).toMatchObject([{ options: [{ optionId: 'x', name: 'Option 0' }] }]);
    await permissions.respond('r', 'x');
    expect(await answered).toEqual({ result: { outcome: { outcome: 'selected', optionId: 'x' } } });
  });

  it('of two kinds are refused, so that nobody allows by rejecting', async () => {
    const { permissions } = onWriter(() => Promise.resolve());
    expect(await permissions.ask(1, options('reject_once', 'allow_always'), 't')).toMatchObject({
      error: { code: -32602, message: expect.stringContaining('have the optionId "x"') as string },
    });
    expect(permissions.open).toEqual([]);
  });
});
