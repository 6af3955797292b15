import { describe, expect, it } from 'vitest';
import { neverSent } from '../../../src/cli/commands/prompt.ts';
import { RehydrateError } from '../../../src/engine/errors.ts';

describe('what is told of a prompt that a signal ended', () => {
  const cases: readonly (readonly [name: string, error: unknown, asked: boolean, never: boolean])[] = [
    ['before the host was asked for it', new DOMException('ended by SIGTERM', 'AbortError'), false, true],
    ['while its session was being made', new RehydrateError('agent_exited', 'the agent is gone'), false, true],
    [
      'while its session was being woken: the engine says so',
      new RehydrateError('prompt_cancelled', 'cancelled before it was sent'),
      true,
      true,
    ],
    ['in its turn', new RehydrateError('turn_outcome_unknown', 'put to sleep'), true, false],
    ['at a time that nobody knows: a fault of the program', new TypeError('oops'), true, false],
    ['the same, and no error', 'oops', true, false],
  ];
  it.each(cases)('%s', (_name, error, asked, never) => {
    expect(neverSent(error, asked)).toBe(never);
  });
});
