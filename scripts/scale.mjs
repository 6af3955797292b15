/**
 * `node scripts/scale.mjs [--NAME VALUE]…`: what many sessions cost, by the figures in content/data/scale.json and the page's
 * assumptions, or others: `--sessions 20000 --activeShare 0.5`. Prints; `--write` stores what is printed for the site.
 * The figures themselves are measured by `npm run bench -- scale`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from './support/paths.mjs';
import { SCALE_INPUTS, SLEEP_AFTER_SECONDS, simulateScale } from './support/scale-model.mjs';

const FILE = inRoot('content/data/scale.json');

/** @param {readonly string[]} args @returns {{ inputs: typeof SCALE_INPUTS, write: boolean }} */
export function scaleArguments(args) {
  const inputs = { ...SCALE_INPUTS };
  let write = false;
  for (let i = 0; i < args.length; i++) {
    const name = args[i].replace(/^--/, '');
    if (name === 'write') write = true;
    else if (name in inputs && Number.isFinite(Number(args[i + 1]))) inputs[name] = Number(args[++i]);
    else
      throw new Error(
        `${args[i]} ${args[i + 1] ?? ''} is none of: --write, ${Object.keys(inputs)
          .map((one) => `--${one} NUMBER`)
          .join(', ')}.`,
      );
  }
  return { inputs, write };
}

/** One row for each time an actor may stay awake. */
export const simulateAll = (inputs, measured) =>
  SLEEP_AFTER_SECONDS.map((sleepAfterSeconds) => ({ sleepAfterSeconds, ...simulateScale(inputs, measured, { sleepAfterSeconds }) }));

if (import.meta.main) {
  const { inputs, write } = scaleArguments(process.argv.slice(2));
  const file = JSON.parse(readFileSync(FILE, 'utf8'));
  const simulated = simulateAll(inputs, file.measured);
  console.table(inputs);
  console.table(simulated);
  if (write) writeFileSync(FILE, `${JSON.stringify({ ...file, inputs, simulated }, null, 2)}\n`);
}
