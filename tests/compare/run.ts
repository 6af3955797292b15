/**
 * `npm run compare`: the same scripted agents under this package's command and under others that keep sessions, each from npm in
 * the version of the lockfile. What happened is written to content/data/compare.json, and the page “How it compares” shows it.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
const AGENT = path.join(ROOT, 'dist/testing/agents/stdio.js');
const COMMAND = path.join(ROOT, 'dist/cli/rehydrate.js');
const ACPX = path.join(import.meta.dirname, 'node_modules/acpx/dist/cli.js');

interface Ran {
  readonly code: number | null;
  readonly out: string;
}

/** One program that keeps sessions, in a scratch directory of its own. */
interface Subject {
  readonly name: string;
  readonly version: string;
  /** What is run once, before the first prompt. */
  readonly begin: (agent: readonly string[]) => readonly (readonly string[])[];
  readonly prompt: (agent: readonly string[], text: string) => readonly string[];
  /** Everything it kept of the conversation, as text in which each message that it kept stands once for each time that it kept it. */
  readonly kept: (home: string, agent: readonly string[]) => readonly string[];
}

const version = (file: string): string => (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
const acpx = (agent: readonly string[], ...rest: string[]) => [ACPX, '--ttl', '1', '--approve-all', '--agent', agent.join(' '), ...rest];

const SUBJECTS: readonly Subject[] = [
  {
    name: 'rehydrate',
    version: version(path.join(ROOT, 'package.json')),
    begin: () => [],
    prompt: (agent, text) => [COMMAND, 'prompt', '--permission', 'allow', text, '--', ...agent],
    kept: () => [COMMAND, 'transcript', '--budget', '4000000', 'main'],
  },
  {
    name: 'acpx',
    version: version(path.join(import.meta.dirname, 'node_modules/acpx/package.json')),
    begin: (agent) => [acpx(agent, 'sessions', 'new')],
    prompt: (agent, text) => acpx(agent, text),
    kept: (_home, agent) => acpx(agent, 'sessions', 'history', '--limit', '1000'),
  },
];

interface Scenario {
  readonly id: string;
  readonly what: string;
  readonly variant: string;
  /** What befalls the session between telling and asking. */
  readonly then?: 'lose-store' | 'kill-in-turn';
}

const SCENARIOS: readonly Scenario[] = [
  { id: 'killed', what: 'The agent is killed between two prompts', variant: 'native' },
  { id: 'lost', what: 'The agent’s store is deleted', variant: 'native', then: 'lose-store' },
  { id: 'cannot', what: 'The agent can neither resume nor load', variant: 'amnesiac' },
  { id: 'liar', what: 'The agent says it loaded a session that it has forgotten', variant: 'liar', then: 'lose-store' },
  { id: 'late', what: 'The agent replays after it has answered', variant: 'late' },
  { id: 'doubled', what: 'The agent replays everything twice', variant: 'duplicate-replay' },
  { id: 'mid-turn', what: 'The agent is killed in the middle of a turn', variant: 'native', then: 'kill-in-turn' },
];

const TOLD = 'my dog is called Ada';
const ASKED = 'what is my dog called?';

async function run(directory: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: path.join(directory, 'project'),
      env: { PATH: process.env['PATH'], HOME: directory, REHYDRATE_DB: path.join(directory, 'sessions.sqlite') },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (out += data.toString()));
    child.on('close', (code) => resolve({ code, out: out.trim().replaceAll(directory, '~') }));
  });
}

/** The agents of this scratch directory, and only they: by its path in their command line. */
function agentsIn(directory: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const file = `/proc/${pid}/cmdline`;
      const words = existsSync(file) ? readFileSync(file, 'utf8').split('\0') : [];
      return words[1] === AGENT && words.some((word) => word.startsWith(directory));
    })
    .map(Number);
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
}

function killAgents(directory: string): void {
  for (const pid of agentsIn(directory)) process.kill(pid, 'SIGKILL');
}

async function examine(subject: Subject, scenario: Scenario) {
  const directory = mkdtempSync(path.join(tmpdir(), 'compare-'));
  const store = path.join(directory, 'store');
  const agent = [
    process.execPath,
    AGENT,
    '--variant',
    scenario.variant,
    '--store',
    store,
    '--pace',
    scenario.then === 'kill-in-turn' ? '20' : '0',
  ];
  mkdirSync(path.join(directory, 'project'));
  try {
    for (const args of subject.begin(agent)) await run(directory, args);
    await run(directory, subject.prompt(agent, TOLD));
    let cut: Ran | undefined;
    if (scenario.then === 'kill-in-turn') {
      const running = run(directory, subject.prompt(agent, 'count to 2000'));
      await until(() => agentsIn(directory).length > 0);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      killAgents(directory);
      cut = await running;
    }
    killAgents(directory);
    // Whoever keeps an agent warm for the next prompt lets go of it by now.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    if (scenario.then === 'lose-store') rmSync(store, { recursive: true, force: true });
    const asked = await run(directory, subject.prompt(agent, ASKED));
    const again = await run(directory, subject.prompt(agent, ASKED));
    const kept = await run(directory, subject.kept(directory, agent));
    return {
      scenario: scenario.id,
      exit: asked.code,
      remembers: asked.out.includes('Ada'),
      remembersAgain: again.out.includes('Ada'),
      said: asked.out,
      copies: kept.out.split(TOLD).length - 1,
      ...(cut && { cut: { exit: cut.code, said: cut.out.split('\n').slice(-4).join('\n') } }),
    };
  } finally {
    killAgents(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

const subjects = [];
for (const subject of SUBJECTS) {
  const runs = [];
  for (const scenario of SCENARIOS) {
    runs.push(await examine(subject, scenario));
    console.log(subject.name, JSON.stringify(runs.at(-1)));
  }
  subjects.push({ name: subject.name, version: subject.version, runs });
}
const scenarios = SCENARIOS.map(({ id, what }) => ({ id, what }));
const file = path.join(ROOT, 'content/data/compare.json');
writeFileSync(
  file,
  `${JSON.stringify({ at: new Date().toISOString().slice(0, 10), node: process.version, scenarios, subjects }, null, 2)}\n`,
);
