/**
 * What many sessions cost, from measured figures and stated assumptions. Pure: the same inputs give the same figures.
 *
 * A sample of sessions lives through one day: people come when a day's curve has them come, say something, wait for the
 * answer, think, and say the next thing. An actor is awake from a turn's beginning until `sleepAfterSeconds` after its
 * end, and its agent with it. What the sample does is scaled to all.
 */

/**
 * @typedef {object} ScaleInputs
 * @property {number} sessions how many there are
 * @property {number} activeShare the share of them that somebody uses on a day, 0 to 1
 * @property {number} visits how often such a session is come to on that day, on average (at least once)
 * @property {number} turns turns a visit, on average (at least one)
 * @property {number} turnSeconds how long a turn takes, on average
 * @property {number} pauseSeconds between a turn's end and the next one's beginning, on average
 * @property {number} busiestHour the hour of the day, 0 to 24, at which most come
 * @property {number} swing how much more than the average come then: 0 the same all day, 1 twice the average, and nobody at the other end
 * @property {number} days how long the record has grown
 *
 * @typedef {object} ScaleMeasured
 * @property {number} turnBytes what a turn adds to the database
 * @property {number} emptyBytes a database with one session and no turn
 * @property {number} actorBytes memory of the runner for one actor that is awake
 * @property {number} runnerBytes memory of a runner without actors
 * @property {number} agentBytes memory of one agent process
 *
 * @typedef {object} ScaleResult
 * @property {number} turnsADay
 * @property {number} wakesADay
 * @property {number} awakeMean actors awake at once, on average over the day
 * @property {number} awakePeak at its busiest ten minutes
 * @property {number} wakesASecondPeak in its busiest ten minutes
 * @property {number} hostBytesPeak memory for the hosts then, without the runners' own
 * @property {number} agentBytesPeak memory for the agents then
 * @property {number} storageBytes databases, after `days`
 */

const DAY = 24 * 60 * 60;
/** Awake actors and wakes are looked at in slots of so many seconds: shorter ones would show the sample's own noise. */
const SLOT = 10 * 60;

/**
 * @param {ScaleInputs} inputs
 * @param {ScaleMeasured} measured
 * @param {{ sleepAfterSeconds: number, sample?: number, seed?: number }} options `sample`: how many active sessions are played through
 * @returns {ScaleResult}
 */
export function simulateScale(inputs, measured, { sleepAfterSeconds, sample = 50_000, seed = 1 }) {
  const random = generator(seed);
  const awake = new Float64Array(DAY / SLOT);
  const wakes = new Float64Array(DAY / SLOT);
  let turns = 0;
  for (let session = 0; session < sample; session++) {
    for (const [from, to, count] of awakeIntervals(turnsOfADay(inputs, random), sleepAfterSeconds)) {
      turns += count;
      wakes[Math.floor(from / SLOT) % wakes.length] += 1;
      cover(awake, from, to);
    }
  }
  // All active sessions do as those of the sample did.
  const scale = (inputs.sessions * inputs.activeShare) / sample;
  const peak = (values) => values.reduce((most, value) => Math.max(most, value), 0) * scale;
  const sum = (values) => values.reduce((total, value) => total + value, 0) * scale;
  const awakePeak = peak(awake);
  return {
    turnsADay: turns * scale,
    wakesADay: sum(wakes),
    awakeMean: sum(awake) / awake.length,
    awakePeak,
    wakesASecondPeak: peak(wakes) / SLOT,
    hostBytesPeak: awakePeak * measured.actorBytes,
    agentBytesPeak: awakePeak * measured.agentBytes,
    storageBytes: inputs.sessions * measured.emptyBytes + turns * scale * inputs.days * measured.turnBytes,
  };
}

/** The turns of one active session on one day, as `[from, to]` in seconds, in order. */
export function turnsOfADay(inputs, random) {
  const turns = [];
  for (let visit = geometric(inputs.visits, random); visit > 0; visit--) {
    let at = instantOfDay(inputs, random);
    for (let turn = geometric(inputs.turns, random); turn > 0; turn--) {
      const end = at + exponential(inputs.turnSeconds, random);
      turns.push([at, end]);
      at = end + exponential(inputs.pauseSeconds, random);
    }
  }
  return turns.sort(([a], [b]) => a - b);
}

/** When the actor is awake for these turns: `[from, to, turns]`, each beginning a wake. */
export function awakeIntervals(turns, sleepAfterSeconds) {
  const intervals = [];
  for (const [from, to] of turns) {
    const last = intervals.at(-1);
    if (last && from <= last[1]) {
      last[1] = Math.max(last[1], to + sleepAfterSeconds);
      last[2] += 1;
    } else intervals.push([from, to + sleepAfterSeconds, 1]);
  }
  return intervals;
}

/** Adds to each slot the share of it that the interval covers; what runs past midnight counts in the morning. */
function cover(slots, from, to) {
  for (let at = from; at < to;) {
    const end = Math.min(to, (Math.floor(at / SLOT) + 1) * SLOT);
    slots[Math.floor(at / SLOT) % slots.length] += (end - at) / SLOT;
    at = end;
  }
}

/** By rejection: a cosine with its crest at the busiest hour. */
function instantOfDay({ busiestHour, swing }, random) {
  for (;;) {
    const at = random() * DAY;
    const height = 1 + swing * Math.cos(((at / DAY) * 24 - busiestHour) * (Math.PI / 12));
    if (random() * (1 + swing) < height) return at;
  }
}

const exponential = (mean, random) => -mean * Math.log(1 - random());

/** At least one, `mean` on average. */
function geometric(mean, random) {
  let count = 1;
  while (mean > 1 && random() > 1 / mean) count += 1;
  return count;
}

/** Mulberry32. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The assumptions the page shows unless others are given. Nothing of them was measured. */
export const SCALE_INPUTS = Object.freeze({
  sessions: 1_000_000,
  activeShare: 0.1,
  visits: 2,
  turns: 6,
  turnSeconds: 20,
  pauseSeconds: 60,
  busiestHour: 15,
  swing: 0.8,
  days: 365,
});

/** How long after a turn an actor sleeps, in seconds; 30 is RivetKit's default. */
export const SLEEP_AFTER_SECONDS = Object.freeze([10, 30, 120, 600]);
