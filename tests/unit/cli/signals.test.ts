import { describe, expect, it } from 'vitest';
import type { EndingSignal } from '../../../src/cli/ends.ts';
import { endedBy, isForwardedSignal, onSignal } from '../../../src/cli/ends.ts';
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

it('only the signals that end a call are taken from the channel', () => {
  expect(isForwardedSignal({ rehydrateSignal: 'SIGINT' })).toBe(true);
  for (const message of [null, 'SIGINT', {}, { rehydrateSignal: 'SIGKILL' }, { rehydrateSignal: 2 }])
    expect(isForwardedSignal(message)).toBe(false);
});
