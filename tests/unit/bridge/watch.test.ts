/** The clocks of a connection, on clocks that jump: one that is set, and one that went on while the machine slept. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { BRIDGE_LIMITS, type BridgeLimits } from '../../../src/bridge/limits.ts';
import { watch as watchOver } from '../../../src/bridge/watch.ts';

const NEVER = 1_000_000_000;
const DAY = 24 * 60 * 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A watched connection. Its client answers pings a moment later, unless it is deaf. */
function watched(set: Partial<BridgeLimits>, { deaf = false } = {}) {
  const socket = { bytesWritten: 0, writableLength: 0 };
  const websocket = Object.assign(new EventEmitter(), {
    OPEN: 1,
    readyState: 1,
    ping: vi.fn((): void => {
      if (!deaf) setTimeout(() => websocket.emit('pong'), 1);
    }),
    terminate: vi.fn(),
  });
  const exceeded: string[] = [];
  const limits = { ...BRIDGE_LIMITS, stalledMs: NEVER, pingMs: NEVER, ...set };
  const watch = watchOver(websocket as unknown as WebSocket, socket as unknown as Socket, limits, (limit) => exceeded.push(limit));
  return { watch, socket, websocket, exceeded };
}

type Watched = ReturnType<typeof watched>;

const jumps: readonly (readonly [name: string, jump: () => void])[] = [
  ['the clock is set', () => vi.setSystemTime(Date.now() + DAY)],
  [
    'the machine slept',
    () => {
      const now = performance.now.bind(performance);
      vi.spyOn(performance, 'now').mockImplementation(() => now() + DAY);
    },
  ],
];

describe.each(jumps)('when %s', (_name, jump) => {
  it.each([
    ['', 100],
    [', whose answer is on its way', 0],
  ])('a client that answers every ping stays%s', (_when, ms) => {
    const { websocket, exceeded, watch } = watched({ pingMs: 1_000 });
    vi.advanceTimersByTime(5_000 + ms);
    jump();
    vi.advanceTimersByTime(5_000);
    expect(exceeded).toEqual([]);
    expect(websocket.terminate).not.toHaveBeenCalled();
    watch.stop();
  });

  it.each([['stalledMs', 'a client that is behind', ({ socket }: Watched): void => void (socket.writableLength = 1)]] as const)(
    '%s: %s has its whole time',
    (limit, _what, begin) => {
      const connection = watched({ [limit]: 1_000 });
      vi.advanceTimersByTime(250);
      begin(connection);
      vi.advanceTimersByTime(250);
      jump();
      vi.advanceTimersByTime(250);
      expect(connection.exceeded).toEqual([]);
      vi.advanceTimersByTime(1_000);
      expect(connection.exceeded).toContain(limit);
      connection.watch.stop();
    },
  );
});

describe('I10: pings', () => {
  it('a client that answers none is cut off after two, and not before', () => {
    const { websocket, exceeded, watch } = watched({ pingMs: 1_000 }, { deaf: true });
    vi.advanceTimersByTime(2_000);
    expect(exceeded).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(exceeded[0]).toBe('pingMs');
    expect(websocket.terminate).toHaveBeenCalled();
    watch.stop();
  });

  it('nothing is concluded of pings that could not be sent', () => {
    const { socket, websocket, exceeded, watch } = watched({ pingMs: 1_000 }, { deaf: true });
    socket.writableLength = 1;
    vi.advanceTimersByTime(10_000);
    socket.writableLength = 0;
    vi.advanceTimersByTime(2_000);
    expect(exceeded).toEqual([]);
    expect(websocket.ping).toHaveBeenCalled();
    watch.stop();
  });
});
