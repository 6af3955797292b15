/**
 * What many sessions cost, from content/data/scale.json, which `npm run bench -- scale` measures, and the page's assumptions, or others:
 *
 *   node scripts/scale.mjs [--sessions 20000] [--activeShare 0.5] … [--write]
 *
 * Prints; `--write` stores it for the site.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { inRoot } from './support/setup.mjs';

const FILE = inRoot('content/data/scale.json');

/** Assumed, not measured. */
export const SCALE_INPUTS = Object.freeze({
  /** How many there are, and the share of them that is used on a day. */
  sessions: 1_000_000,
  activeShare: 0.1,
  /** Visits to such a session on that day, and turns of a visit: averages, of at least one. */
  visits: 2,
  turns: 6,
  /** A turn's length and the pause until the next; both vary exponentially, as waits do. */
  turnSeconds: 20,
  pauseSeconds: 60,
  /** When most come, and how many more than on average: 0 the same all day, 1 twice as many. */
  busiestHour: 15,
  swing: 0.8,
  /** How long the record has grown. */
  days: 365,
});

/** How long after a turn an actor sleeps, in seconds; 30 is RivetKit's default. */
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
