/** What can happen to a session, as values that fast-check can make up and shrink. */
import fc from 'fast-check';
import type { AgentVariant } from '../../../src/testing/agents/index.ts';
import type { Fault } from './faulty-database.ts';

export type Operation = { readonly host: 0 | 1 } & (
  | { readonly do: 'create' }
  /** `key` null: none. `other`: the other content for the key. `wait`: go on only when it is over, or in a moment. */
  | { readonly do: 'tell'; readonly key: 0 | 1 | null; readonly other: boolean; readonly wait: boolean }
  /** A turn that runs until its question is answered. */
  | { readonly do: 'ask-permission' }
  | { readonly do: 'hang' }
  | { readonly do: 'answer'; readonly option: 'once' | 'no' | 'bogus' | null }
  | { readonly do: 'cancel' }
  | { readonly do: 'resume' }
  | { readonly do: 'set-mode'; readonly modeId: 'brief' | 'chatty' }
  | { readonly do: 'close' }
  /** Another host opens in its place. */
  | { readonly do: 'sleep' }
  | { readonly do: 'crash' }
  | { readonly do: 'crash-agent' }
  | { readonly do: 'fail'; readonly fault: Fault }
  /** What others are told when they ask whether this host lives; the truth is that it does. */
  | { readonly do: 'seem'; readonly alive: boolean | 'unknown' }
  /** Leases run out. */
  | { readonly do: 'time-passes' }
  /** Whatever is under way gets on by a few steps. */
  | { readonly do: 'pause'; readonly turns: number }
);

export const REMEMBERING: readonly AgentVariant[] = [
  'native',
  'load',
  'amnesiac',
  'forgetful',
  'liar',
  'late',
  'other-chunks',
  'no-message-ids',
  'duplicate-replay',
  'null-load',
  'answers-twice',
  'unknown-kinds',
  'requests-at-start',
  'never-prompted-forgets',
  'no-embedded',
  'garbage',
  'stubborn',
  'replays-on-resume',
  'unknown:pi',
  'unknown:opencode',
];
const OTHERS: readonly AgentVariant[] = [
  'hang-prompt',
  'crash-prompt',
  'crash-resume',
  'crash-load',
  'hang-new',
  'capped',
  'busy',
  'unknown:opaque-but-listed',
  'garbage-only',
];

export const variants = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...REMEMBERING) },
  { weight: 1, arbitrary: fc.constantFrom(...OTHERS) },
);

const host = fc.constantFrom(0 as const, 0 as const, 1 as const);
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('full' as const, 'io' as const, 'constraint' as const, 'busy' as const),
    when: fc.constant('unwritten' as const),
    after: fc.nat(4),
  }),
  fc.record({ kind: fc.constant('io' as const), when: fc.constant('written' as const), after: fc.nat(4) }),
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      host,
      do: fc.constant('tell' as const),
      key: fc.constantFrom(null, null, 0 as const, 1 as const),
      other: fc.boolean(),
      wait: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ host, do: fc.constant('ask-permission' as const) }) },
  { weight: 1, arbitrary: fc.record({ host, do: fc.constant('hang' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      host,
      do: fc.constant('answer' as const),
      option: fc.constantFrom('once' as const, 'no' as const, 'bogus' as const, null),
    }),
  },
  { weight: 2, arbitrary: fc.record({ host, do: fc.constant('cancel' as const) }) },
  { weight: 1, arbitrary: fc.record({ host, do: fc.constant('resume' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ host, do: fc.constant('set-mode' as const), modeId: fc.constantFrom('brief' as const, 'chatty' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ host, do: fc.constant('close' as const) }) },
  { weight: 2, arbitrary: fc.record({ host, do: fc.constant('sleep' as const) }) },
  { weight: 2, arbitrary: fc.record({ host, do: fc.constant('crash' as const) }) },
  { weight: 2, arbitrary: fc.record({ host, do: fc.constant('crash-agent' as const) }) },
  { weight: 3, arbitrary: fc.record({ host, do: fc.constant('fail' as const), fault }) },
  { weight: 2, arbitrary: fc.record({ host, do: fc.constant('seem' as const), alive: fc.constantFrom(true, false, 'unknown' as const) }) },
  { weight: 1, arbitrary: fc.record({ host, do: fc.constant('time-passes' as const) }) },
  { weight: 4, arbitrary: fc.record({ host, do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 12 }) }) },
);

/** A history: nearly always of a session that is there. */
export const histories = fc
  .array(operation, { minLength: 1, maxLength: 22, size: 'max' })
  .map((list): Operation[] => [{ host: 0, do: 'create' }, ...list]);
