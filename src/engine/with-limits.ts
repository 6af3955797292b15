/** Merges limits with their defaults, after checking names and values. */
import { checkOptions, shown } from './check-options.ts';
import { invalid } from './errors.ts';

/** A timer with a longer time fires at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** An undefined limit counts as not given. Error: `invalid_argument`, which names the limit. */
export function withLimits<L extends object>(
  defaults: L,
  changes: Partial<Record<keyof NoInfer<L>, number | undefined>> | undefined,
  whose = 'limits',
): L {
  checkOptions(whose, changes as unknown as L | undefined, Object.keys(defaults) as (keyof L & string)[]);
  const limits = { ...defaults };
  for (const [name, value] of Object.entries(changes ?? {}) as [keyof L & string, unknown][]) {
    if (value === undefined) continue;
    const problem = limitProblem(name, value);
    if (problem !== null) throw invalid(`${whose}.${name} must be ${problem}; it is ${shown(value)}.`, { limit: name });
    limits[name] = value as L[typeof name];
  }
  return limits;
}

function limitProblem(name: string, value: unknown): string | null {
  if (typeof value !== 'number' || !(value >= 0)) return 'a number, 0 or more';
  return name.endsWith('Ms') && value > LONGEST_MS ? `at most ${LONGEST_MS} milliseconds, nearly 25 days` : null;
}
