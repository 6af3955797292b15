/** One result of a benchmark as a row for people: a figure, a target, and whether it was met. Pure. */

const figures = (value) => (typeof value === 'number' ? (Number.isInteger(value) ? String(value) : value.toFixed(2)) : String(value));

/**
 * @param {{ what: string, ratio?: number, value?: number | string, unit?: string, target?: number | string,
 *   bound?: 'max' | 'min', met?: boolean }} result a ratio or a value; a target that is a number is the
 *   largest allowed unless `bound` is `min`, and one in words starts with ≤ or ≥
 * @returns {{ what: string, figure: string, target: string, met: boolean | null }} `met` is null without a target
 */
export function benchRow({ what, ratio, value, unit, target, bound = 'max', met }) {
  const measured = ratio ?? value;
  const suffix = ratio !== undefined ? '×' : unit ? ` ${unit}` : '';
  const figure = `${figures(measured)}${suffix}`;
  if (target === undefined || target === '–') return { what, figure, target: '–', met: met ?? null };
  if (typeof target === 'number') {
    const ok = bound === 'min' ? measured >= target : measured <= target;
    return { what, figure, target: `${bound === 'min' ? '≥' : '≤'} ${target}${suffix}`, met: met ?? ok };
  }
  const limit = /^([≤≥])\s*([\d\s.]+)/.exec(target);
  const number = limit && Number(limit[2].replace(/\s/g, ''));
  const ok = limit && typeof measured === 'number' ? (limit[1] === '≤' ? measured <= number : measured >= number) : null;
  return { what, figure, target, met: met ?? ok };
}
