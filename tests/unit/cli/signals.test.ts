import { describe, expect, it } from 'vitest';
import type { EndingSignal } from '../../../src/cli/ends.ts';
import { endedBy, isForwardedSignal, mergeCounts, onSignal } from '../../../src/cli/ends.ts';
import type { Action, Ending } from '../../../src/cli/ends.ts';

describe('what signals do', () => {
  const cases: readonly (readonly [signals: readonly EndingSignal[], actions: readonly Action[], told: EndingSignal | null])[] = [
    [['SIGINT'], ['cancel'], null],
    [['SIGINT', 'SIGINT'], ['cancel', 'kill'], 'SIGINT'],
    [['SIGINT', 'SIGINT', 'SIGINT'], ['cancel', 'kill', 'nothing'], 'SIGINT'],
    [['SIGTERM'], ['sleep'], 'SIGTERM'],
    [['SIGHUP'], ['sleep'], 'SIGHUP'],
    [['SIGTERM', 'SIGINT'], ['sleep', 'kill'], 'SIGTERM'],
    [['SIGHUP', 'SIGTERM'], ['sleep', 'kill'], 'SIGHUP'],
    [['SIGINT', 'SIGTERM'], ['cancel', 'sleep'], 'SIGTERM'],
    [['SIGINT', 'SIGTERM', 'SIGTERM', 'SIGTERM'], ['cancel', 'sleep', 'kill', 'nothing'], 'SIGTERM'],
  ];
  it.each(cases.map(([signals, actions, told]) => ({ signals, actions, told })))('$signals', ({ signals, actions, told }) => {
    let ending: Ending = { kind: 'no' };
    const done = signals.map((signal) => {
      const { next, action } = onSignal(ending, signal);
      ending = next;
      return action;
    });
    expect(done).toEqual(actions);
    expect(endedBy(ending)).toBe(told);
  });
});

describe('a signal that may arrive over two ways is delivered once', () => {
  const cases: readonly (readonly [ways: string, deliveries: number])[] = [
    ['d', 1],
    ['f', 1],
    ['df', 1],
    ['fd', 1],
    ['dfdf', 2],
    ['ddff', 2],
    ['ffdd', 2],
    ['ff', 2],
    ['dd', 2],
    ['dfffd', 3],
  ];
  it.each(cases.map(([ways, deliveries]) => ({ ways, deliveries })))('$ways: $deliveries', ({ ways, deliveries }) => {
    const arrive = mergeCounts();
    const delivered = [...ways].filter((way) => arrive(way === 'd' ? 'direct' : 'forwarded'));
    expect(delivered).toHaveLength(deliveries);
  });

  it('only the signals that end a call are taken from the channel', () => {
    expect(isForwardedSignal({ rehydrateSignal: 'SIGINT' })).toBe(true);
    for (const message of [null, 'SIGINT', {}, { rehydrateSignal: 'SIGKILL' }, { rehydrateSignal: 2 }])
      expect(isForwardedSignal(message)).toBe(false);
  });
});
