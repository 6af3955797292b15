/** Tables from the source, from records and from files that runs write, so that they cannot drift from it. */
import bench from '../../../content/data/bench.json';
import lighthouse from '../../../content/data/lighthouse.json';
import scale from '../../../content/data/scale.json';
import { SCENARIOS } from '../../../playground/scenarios/index.ts';
import { exitCodeOf } from '../../cli/ends.ts';
import { EXIT_CODES } from '../../cli/table.ts';
import { ERROR_CODES, RehydrateError } from '../../engine/errors.ts';
import { RESUME_CASES } from '../../engine/resume/cases.ts';
import { RECORDED_ANSWERS, type RecordedAnswer } from '../../engine/resume/classify.ts';
import { TRANSITIONS } from '../../engine/sessions/session.ts';
import { TOKEN_SHAPES } from '../../engine/transcript/token-shapes.ts';
import { agentSlug, compatRecords } from '../lib/compat-records.ts';
import { figure, membersOf } from '../lib/declarations.ts';
import { ERROR_HELP } from '../lib/error-help.ts';
import { invariantTests } from '../lib/invariants.ts';
import { caseRow } from '../lib/resume-cases.ts';
import { ROOT } from '../lib/source.ts';

/** For a number in prose. */
export { figure };

type Cell = string | number | { readonly text: string; readonly small?: string };
type Row = (readonly Cell[] & { readonly id?: undefined }) | { readonly id: string; readonly cells: readonly Cell[] };

export interface TableOf {
  readonly before?: string;
  readonly head: readonly string[];
  readonly rows: readonly Row[];
}

const day = (at: string) => at.slice(0, 10);
const code = (text: string) => `\`${text}\``;

// ---------------------------------------------------------------- from the source

export const transitions: TableOf = { head: ['From', 'To', 'When'], rows: TRANSITIONS.map(({ from, to, when }) => [from, to, when]) };

export const exitCodes: TableOf = { head: ['Exit', 'Meaning'], rows: EXIT_CODES.map(([exit, meaning]) => [exit, meaning]) };

export const errorCodes: TableOf = {
  head: ['Code', 'Meaning', 'In `data`', 'Exit'],
  rows: ERROR_CODES.map((name) => ({
    id: name,
    cells: [
      `[\`${name}\`](/guides/troubleshoot/#${name})`,
      ERROR_HELP[name].means,
      ERROR_HELP[name].data,
      exitCodeOf(new RehydrateError(name, '')),
    ],
  })),
};

export const scenarios: TableOf = {
  head: ['Scenario', 'What to watch'],
  rows: SCENARIOS.map(({ name, title, watch }) => [`[${title}](/playground/#v=1&scenario=${name})`, watch]),
};

export const resumeCases: TableOf = {
  before: `Unless a row says otherwise: a session with history, an agent with all three capabilities, policy \`auto\`. The list has ${RESUME_CASES.length} cases.`,
  head: ['Case', 'What follows'],
  rows: RESUME_CASES.map(caseRow),
};

export const tokenShapes = TOKEN_SHAPES.map(({ name }) => name);

const said = (row: RecordedAnswer): string => {
  if ('says' in row.answer) return code(`“${row.answer.says}”`);
  const { code: number, message, data } = row.answer;
  const rest = data === undefined ? '' : `, data ${typeof data === 'string' ? `“${data}”` : JSON.stringify(data)}`;
  return code(`${number} “${message}”${rest}`);
};
export const unknownAnswers: TableOf = {
  head: ['Agent', 'Answers', 'Read as'],
  rows: RECORDED_ANSWERS.map((row) => [
    { text: code(row.agent), small: [row.source, row.atPrompt ? 'to a prompt' : ''].filter(Boolean).join(' · ') },
    said(row),
    { text: code(row.outcome), small: row.weak ? 'unless the list shows it' : '' },
  ]),
};

export const invariants: TableOf = {
  head: ['Invariant', 'Tests', 'In'],
  rows: invariantTests(ROOT).map(({ id, tests, files }) => [
    id,
    tests,
    files.slice(0, 3).map(code).join(', ') + (files.length > 3 ? ` and ${files.length - 3} more` : ''),
  ]),
};

export const fields = (file: string, name: string): TableOf => ({
  head: ['Field', 'Meaning'],
  rows: membersOf(file, name).map(({ name: field, optional, type, doc }) => [
    { text: code(field + (optional ? '?' : '')), small: type },
    doc,
  ]),
});

/** Limits: names and docstrings from the interface, defaults from the constant beside it. */
export const limits = (file: string, name: string): TableOf => ({
  head: ['Limit', 'Default', 'What it bounds'],
  rows: membersOf(file, name).map(({ name: limit, doc }) => [code(limit), figure(file, limit), doc]),
});

// ---------------------------------------------------------------- from records and runs

export const agents: TableOf = {
  head: ['Agent', 'Its command', 'Comes back by'],
  rows: compatRecords.map((record) => [
    `[${record.name}](/${agentSlug(record)}/)`,
    code(record.command),
    record.report.verdict.tier ?? 'unknown without an account',
  ]),
};

export const measured: TableOf = {
  before: `Measured on ${day(bench.measuredAt)}, ${bench.machine}.`,
  head: ['What', 'Measured', 'Target', 'Met'],
  rows: [...bench.results, ...bench.others].map(({ what, figure, target, met }) => [
    ...[what, figure, target].map((text) => text.replace(/(\d) (?=\d{3})/g, '$1\u202f')),
    met === null ? '–' : met ? 'yes' : 'no',
  ]),
};

const SCORES = { performance: 'Performance', accessibility: 'Accessibility', 'best-practices': 'Best practices', seo: 'SEO' } as const;
const scoresOf = (of: Readonly<Record<keyof typeof SCORES, string | number>>) =>
  [of.performance, of.accessibility, of['best-practices'], of.seo].join(' · ');
export const pageScores: TableOf = {
  before: `Measured on ${day(lighthouse.measuredAt)}, ${lighthouse.machine}; the least disturbed of ${lighthouse.rounds} rounds. Targets: ${scoresOf(lighthouse.targets)}.`,
  head: ['Page', scoresOf(SCORES)],
  rows: lighthouse.pages.map(({ page, scores }) => [`[${page}](${page})`, scoresOf(scores)]),
};

const recordsOf = <T>(files: Readonly<Record<string, { readonly default: T }>>) =>
  Object.entries(files)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([, file]) => file.default);

interface Seen {
  readonly what: string;
  readonly seen: string;
  readonly at: string;
}
export const serverSeen: TableOf = {
  head: ['Looked at', 'Seen', 'When'],
  rows: recordsOf<Seen>(import.meta.glob('../../../content/data/server/*.json', { eager: true })).map(({ what, seen, at }) => [
    what,
    seen,
    at,
  ]),
};

const count = (value: number) => Math.round(value).toLocaleString('en').replaceAll(',', '\u202f');
export const tried: TableOf = {
  head: ['Tried', 'How often', 'Got through', 'Last'],
  rows: recordsOf<Omit<Seen, 'seen'> & { readonly tried: number; readonly through: number }>(
    import.meta.glob('../../../content/data/tried/*.json', { eager: true }),
  ).map((row) => [row.what, count(row.tried), row.through, row.at]),
};

// What `npm run bench -- scale` measured, and what follows from it by the stated assumptions.
const { measured: costs, inputs, simulated, method } = scale;
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
const size = (bytes: number) => {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
};
const ms = (value: number) => `${count(value)} ms`;

export const scaleCosts: TableOf = {
  before: `Measured on ${day(scale.measuredAt)}, ${scale.machine}.`,
  head: ['What', 'Measured'],
  rows: [
    ['database of a session without turns', size(costs.emptyBytes)],
    [`database, for each turn of ${method.chunksATurn} chunks`, size(costs.turnBytes)],
    ['the engine’s disk for a sleeping actor with one turn', size(costs.engineBytes)],
    ['memory of a sleeping session', 'none: neither actor nor agent is there'],
    ['memory of a server without sessions', size(costs.runnerBytes)],
    ['memory of the server for each actor awake', size(costs.actorBytes)],
    ['memory of one agent process (the scripted one, on Node)', size(costs.agentBytes)],
  ],
};

export const scaleWakes: TableOf = {
  before: 'The time a client waits for the first prompt after a sleep, and what of it is the agent’s own:',
  head: ['Tier', 'A read that wakes the actor', 'Then the prompt, answered', 'of it resuming', 'of that the agent'],
  rows: costs.wakes.map((row) => [row.tier, ms(row.readMs), ms(row.promptMs), ms(row.resumeMs), ms(row.agentMs)]),
};

export const scaleInputs: TableOf = {
  head: ['Assumption', 'Value'],
  rows: [
    ['sessions', count(inputs.sessions)],
    ['used on a day', `${inputs.activeShare * 100} %`],
    ['visits a day to one that is used', inputs.visits],
    ['turns a visit', inputs.turns],
    ['length of a turn', `${inputs.turnSeconds} s`],
    ['pause until the next', `${inputs.pauseSeconds} s`],
    ['busiest hour, and how far above the average', `${inputs.busiestHour}:00, ${inputs.swing * 100} %`],
    ['age of the record', `${inputs.days} days`],
  ],
};

export const scaleDay: TableOf = {
  head: ['Sleeps after', 'Awake, average', 'Awake, peak', 'Wakes a second, peak', 'Hosts’ memory, peak', 'Agents’ memory, peak'],
  rows: simulated.map((row) => [
    `${row.sleepAfterSeconds} s`,
    count(row.awakeMean),
    count(row.awakePeak),
    row.wakesASecondPeak.toFixed(1),
    size(row.hostBytesPeak),
    size(row.agentBytesPeak),
  ]),
};

const usual = simulated.find((row) => row.sleepAfterSeconds === 30)!;
export const scaleSentence =
  `By the assumptions below, ${count(inputs.sessions)} sessions with ${count(usual.turnsADay)} turns a day have ${count(usual.awakePeak)} actors awake ` +
  `at the busiest time, with ${size(usual.hostBytesPeak)} for the hosts and ${size(usual.agentBytesPeak)} for the agents, ` +
  `${usual.wakesASecondPeak.toFixed(0)} wakes a second, and ${size(usual.storageBytes)} of databases after ${inputs.days} days. ` +
  'All others are asleep and take no memory.';
