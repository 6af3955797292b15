/**
 * Runs the doctor against each agent in a home of its own and writes what it found to content/data/compat/. Started
 * by `npm run compat [-- NAME…]`, with an environment that holds nobody's keys.
 */
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { renderDoctor, runDoctor } from '../../src/cli/doctor/index.ts';
import { startModel, textOf } from '../opencode/support/model.ts';
import { AGENTS, type CompatAgent } from './agents.ts';

const OUT = path.resolve(import.meta.dirname, '../../content/data/compat');
const MODULES = path.join(import.meta.dirname, 'node_modules');

async function examine(agent: CompatAgent): Promise<void> {
  const home = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-compat-')));
  const model = await startModel();
  // A model with a memory of its context and nothing else: what it can say back, the agent told it.
  model.script(({ messages }) => {
    const word = /codeword is (heron-\d+)/.exec(messages.map(textOf).join('\n'))?.[1];
    const asked = textOf(messages.filter(({ role }) => role === 'user').at(-1));
    return [{ text: asked.includes('What is the codeword') ? (word ?? 'I do not know.') : 'OK' }];
  });
  try {
    const { version } = JSON.parse(await readFile(path.join(MODULES, agent.package, 'package.json'), 'utf8')) as { version: string };
    const env = {
      HOME: home,
      XDG_CONFIG_HOME: path.join(home, '.config'),
      XDG_DATA_HOME: path.join(home, '.local/share'),
      XDG_STATE_HOME: path.join(home, '.local/state'),
      XDG_CACHE_HOME: path.join(home, '.cache'),
    };
    const more = agent.model ? await agent.model(home, model.baseUrl) : {};
    const report = await runDoctor({
      command: agent.command,
      args: agent.args,
      env: { ...env, ...more },
      timeoutMs: 90_000,
      prompt: agent.model !== undefined,
    });
    console.log(`\n${agent.name} ${version}\n${renderDoctor(report)}`);
    const found = {
      name: agent.name,
      package: agent.package,
      version,
      date: new Date().toISOString().slice(0, 10),
      /** Whether a model server answered prompts, so that what needs one could be tried. */
      model: agent.model !== undefined,
      ...(agent.note ? { note: agent.note } : {}),
      report,
    };
    const text = JSON.stringify(found, null, 2)
      .replaceAll(home, '/home/someone')
      .replaceAll(MODULES, 'node_modules')
      .replace(/[\w/.-]*\/rehydrate-doctor-\w+/g, '/scratch');
    await writeFile(path.join(OUT, `${agent.package.replace(/^@/, '').replaceAll('/', '-')}.json`), `${text}\n`);
  } finally {
    await model.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !AGENTS.some((agent) => agent.package === name));
if (unknown.length > 0) {
  console.error(`There is no agent ${unknown.join(', ')}. There are: ${AGENTS.map((agent) => agent.package).join(', ')}.`);
  process.exit(2);
}
await mkdir(OUT, { recursive: true });
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
