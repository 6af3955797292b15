/**
 * Runs the doctor against each agent in a home of its own and writes what it found to content/data/compat/. Started
 * by `npm run compat [-- NAME…]`.
 */
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runDoctor } from '../../src/cli/doctor/doctor.ts';
import { renderDoctor } from '../../src/cli/doctor/report.ts';
import { AGENTS, type CompatAgent } from './agents.ts';
import { examineHost, type Frame } from './host.ts';
import { startMemoryModel } from './model.ts';

const OUT = path.resolve(import.meta.dirname, '../../content/data/compat');
const FRAMES = path.join(import.meta.dirname, 'frames');
const MODULES = path.join(import.meta.dirname, 'node_modules');

// Nothing of the person's own from here on: no keys, no configuration.
const { PATH = '', LANG = 'C.UTF-8' } = process.env;
const ENVIRONMENT = { PATH: `${MODULES}/.bin:${PATH}`, LANG, TERM: 'dumb' };
for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, ENVIRONMENT);

async function examine(agent: CompatAgent): Promise<void> {
  const home = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-compat-')));
  const model = await startMemoryModel();
  try {
    const { version } = JSON.parse(await readFile(path.join(MODULES, agent.package, 'package.json'), 'utf8')) as { version: string };
    const environment = async (own: string): Promise<Record<string, string>> => ({
      ...ENVIRONMENT,
      HOME: own,
      XDG_CONFIG_HOME: path.join(own, '.config'),
      XDG_DATA_HOME: path.join(own, '.local/share'),
      XDG_STATE_HOME: path.join(own, '.local/state'),
      XDG_CACHE_HOME: path.join(own, '.cache'),
      ...(await agent.model?.(own, model.url)),
    });
    const report = await runDoctor({
      command: agent.command,
      args: agent.args,
      env: await environment(home),
      timeoutMs: 90_000,
      prompt: agent.model !== undefined,
    });
    console.log(`\n${agent.name} ${version}\n${renderDoctor(report)}`);
    const inHost = async (protocol: 'v1' | 'v2') => {
      const { lives, ...host } = await examineHost(agent, environment, model, protocol);
      console.log(`  in our host, ACP ${protocol}`);
      for (const { step, knows, answer, report } of host.steps)
        console.log(`    ${step}: ${report?.tier ?? 'no answer'}${knows ? ', remembers' : ''}: ${answer.slice(0, 80)}`);
      return { lives, host };
    };
    const { lives, host } = agent.model ? await inHost('v1') : { lives: [], host: null };
    const hostV2 = agent.model && report.v2 ? (await inHost('v2')).host : null;
    const name = agent.package.replace(/^@/, '').replaceAll('/', '-');
    const found = {
      name: agent.name,
      package: agent.package,
      version,
      date: new Date().toISOString().slice(0, 10),
      /** How it is started; the program's place is npm's business. */
      command: [path.basename(agent.command), ...agent.args].join(' '),
      /** Whether a model server answered prompts, so that what needs one could be tried. */
      model: agent.model !== undefined,
      ...(agent.note ? { note: agent.note } : {}),
      report,
      host,
      hostV2,
    };
    // Agents name their own files by the path without links.
    const modulesAt = await realpath(MODULES);
    const placeless = (text: string) =>
      text
        .replaceAll(home, '/home/someone')
        .replace(/\/[\w/.-]*\/rehydrate-compat-host-\w+/g, '/scratch')
        .replaceAll(MODULES, 'node_modules')
        .replaceAll(modulesAt, 'node_modules')
        .replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, 'http://127.0.0.1:1')
        .replace(/[\w/.-]*\/rehydrate-doctor-\w+/g, '/scratch');
    await writeFile(path.join(OUT, `${name}.json`), `${placeless(JSON.stringify(found, null, 2))}\n`);
    const frames = lives.flatMap((frames, life) => frames.map((frame) => JSON.stringify({ life, ...brief(frame) })));
    if (frames.length > 0) await writeFile(path.join(FRAMES, `${name}.jsonl`), `${placeless(frames.join('\n'))}\n`);
  } finally {
    await model.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Without what is long and says nothing of sessions: lists to their first two entries, a large `_meta` as an empty one. */
function brief(frame: Frame): Frame {
  const LISTS = ['availableCommands', 'availableModels', 'options', 'authMethods'];
  return JSON.parse(JSON.stringify(frame), (key, value: unknown) => {
    if (LISTS.includes(key) && Array.isArray(value)) return value.slice(0, 2);
    return key === '_meta' && JSON.stringify(value).length > 2_000 ? {} : value;
  }) as Frame;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !AGENTS.some((agent) => agent.package === name));
if (unknown.length > 0) {
  console.error(`There is no agent ${unknown.join(', ')}. There are: ${AGENTS.map((agent) => agent.package).join(', ')}.`);
  process.exit(2);
}
for (const folder of [OUT, FRAMES]) await mkdir(folder, { recursive: true });
let failed = 0;
for (const agent of AGENTS.filter((one) => wanted.length === 0 || wanted.includes(one.package))) {
  try {
    await examine(agent);
  } catch (error) {
    failed += 1;
    console.error(`${agent.name} could not be examined:`, error);
  }
}
process.exit(failed === 0 ? 0 : 1);
