/**
 * Calculates what many sessions cost, from what `npm run bench -- scale` has measured (content/data/scale.json) and the assumptions of the page, or
 * others:
 *
 *   node scripts/scale.mjs [--sessions 20000] [--activeShare 0.5] … [--write]
 *
 * Prints the result; `--write` also stores it for the site.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { inRoot } from './support/setup.mjs';

const FILE = inRoot('content/data/scale.json');

/** Assumed, not measured. */
export const SCALE_INPUTS = Object.freeze({
  /** How many sessions there are, and the share of them that is used on a day. */
  sessions: 1_000_000,
  activeShare: 0.1,
  /** The average number of visits to such a session on that day, and of turns in a visit; each at least one. */
  visits: 2,
  turns: 6,
  /** The average length of a turn, and of the pause until the next; both are distributed exponentially. */
  turnSeconds: 20,
  pauseSeconds: 60,
  /** The busiest hour, and by how much it exceeds the average: with 0 not at all, with 1 it is twice as busy. */
  busiestHour: 15,
  swing: 0.8,
  /** For how many days the records have grown. */
  days: 365,
});

/** How long after a turn an actor goes to sleep, in seconds; 30 is RivetKit's default. */
const SLEEP_AFTER_SECONDS = [10, 30, 120, 600];

const DAY = 24 * 60 * 60;

/**
 * An actor and its agent are awake from a turn's beginning until `sleepAfterSeconds` after its end. The share e^(−sleepAfter/pause) of a
 * visit's pauses is longer and ends in a wake; the average pause is awake for pause · (1 − e^(−sleepAfter/pause)).
 *
 * @param {typeof SCALE_INPUTS} inputs
 * @param {{ turnBytes: number, emptyBytes: number, actorBytes: number, agentBytes: number }} measured
 */
export function scaleRow(inputs, measured, sleepAfterSeconds) {
  const { visits, turns, turnSeconds, pauseSeconds, swing } = inputs;
  const visitsADay = inputs.sessions * inputs.activeShare * visits;
  const asleepInPause = Math.exp(-sleepAfterSeconds / pauseSeconds);
  const awakeSeconds = turns * turnSeconds + (turns - 1) * pauseSeconds * (1 - asleepInPause) + sleepAfterSeconds;
  const wakesADay = visitsADay * (1 + (turns - 1) * asleepInPause);
  const awakeMean = (visitsADay * awakeSeconds) / DAY;
  const awakePeak = awakeMean * (1 + swing);
  return {
    sleepAfterSeconds,
    turnsADay: visitsADay * turns,
    wakesADay,
    awakeMean,
    awakePeak,
    wakesASecondPeak: (wakesADay / DAY) * (1 + swing),
    hostBytesPeak: awakePeak * measured.actorBytes,
    agentBytesPeak: awakePeak * measured.agentBytes,
    storageBytes: inputs.sessions * measured.emptyBytes + visitsADay * turns * inputs.days * measured.turnBytes,
  };
}

export const scaleRows = (inputs, measured) => SLEEP_AFTER_SECONDS.map((seconds) => scaleRow(inputs, measured, seconds));

if (import.meta.main) {
  const names = Object.keys(SCALE_INPUTS);
  const { values } = parseArgs({
    options: { write: { type: 'boolean' }, ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])) },
  });
  const { write, ...given } = values;
  const inputs = { ...SCALE_INPUTS, ...Object.fromEntries(Object.entries(given).map(([name, value]) => [name, Number(value)])) };
  const file = JSON.parse(readFileSync(FILE, 'utf8'));
  const simulated = scaleRows(inputs, file.measured);
  console.table(inputs);
  console.table(simulated);
  if (write) writeFileSync(FILE, `${JSON.stringify({ ...file, inputs, simulated }, null, 2)}\n`);
}
