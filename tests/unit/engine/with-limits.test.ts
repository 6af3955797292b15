/** I10: a limit that cannot be kept is refused by name when it is given, and not met when it is needed. */
import { describe, expect, it } from 'vitest';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { websocketLauncher } from '../../../src/adapters/websocket/index.ts';
import { startBridge } from '../../../src/bridge/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { withLimits } from '../../../src/engine/with-limits.ts';

const DEFAULTS = { waitMs: 5, bytes: 10 };

describe('withLimits', () => {
  it.each<[Partial<typeof DEFAULTS> | undefined, typeof DEFAULTS]>([
    [undefined, DEFAULTS],
    [{}, DEFAULTS],
    [{ waitMs: 0 }, { waitMs: 0, bytes: 10 }],
    [
      { waitMs: undefined as never, bytes: 7 },
      { waitMs: 5, bytes: 7 },
    ],
    [
      { waitMs: 2 ** 31 - 1, bytes: 2 ** 40 },
      { waitMs: 2 ** 31 - 1, bytes: 2 ** 40 },
    ],
    [{ bytes: Infinity }, { waitMs: 5, bytes: Infinity }],
  ])('%j', (changes, expected) => expect(withLimits(DEFAULTS, changes)).toEqual(expected));

  it.each([
    [{ waitMs: -1 }, 'limits.waitMs must be a number, 0 or more; it is -1.'],
    [{ waitMs: Number.NaN }, 'limits.waitMs must be a number, 0 or more; it is NaN.'],
    [{ bytes: '10' }, 'limits.bytes must be a number, 0 or more; it is "10".'],
    [{ bytes: null }, 'limits.bytes must be a number, 0 or more; it is null.'],
    [{ waitMs: 2 ** 31 }, 'limits.waitMs must be at most 2147483647 milliseconds, nearly 25 days; it is 2147483648.'],
    [{ waitMs: Infinity }, 'limits.waitMs must be at most 2147483647 milliseconds, nearly 25 days; it is Infinity.'],
  ])('%j is refused', (changes, message) => {
    expect(() => withLimits(DEFAULTS, changes as never)).toThrow(expect.objectContaining({ code: 'invalid_argument', message }) as Error);
  });
});

describe('everything that takes limits looks at them', () => {
  const bad = 2 ** 31;
  it.each<[string, () => unknown]>([
    ['createHost', () => createHost({ database: { query: () => [], batch: () => [] } as never, agents: {}, limits: { sessionMs: bad } })],
    ['stdioLauncher', async () => stdioLauncher({ agents: {}, limits: { askMs: bad } })],
    ['websocketLauncher', async () => websocketLauncher({ url: 'ws://127.0.0.1:1', token: 't', limits: { openMs: bad } })],
    ['startBridge', () => startBridge({ agents: { a: { command: 'true' } }, limits: { stalledMs: bad } })],
  ])('%s', async (_name, use) => {
    await expect(use()).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('at most 2147483647') as string,
    });
  });
});
