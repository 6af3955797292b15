/** The whole of `npm start` once the set-up is done: the site, the bridge, one URL, and one way down. */
import { spawn } from 'node:child_process';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { RehydrateError } from 'acp-rehydrate';
import { startBridge } from 'acp-rehydrate/bridge';
import { AGENT_VARIANTS } from 'acp-rehydrate/testing';
import { PROJECT_NODE, STATE_DIR, inRoot, SetupError } from './setup.mjs';
import { ensureSite } from './site-build.mjs';
import { serveSite, serveSources } from './site-server.mjs';

const DEFAULT_PORT = 4321;

/** A part of the built command that is no public entry. */
const built = (file) => import(pathToFileURL(inRoot('dist/cli', file)).href);
const { shellWords } = await built('agent-words.js');

/** NAME=COMMAND as the command line has it. */
export function parseAgent(text) {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1) throw new SetupError(`--agent ${text}: give NAME=COMMAND, such as --agent mine='my-agent --acp'.`);
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name)) throw new SetupError(`--agent ${text}: a name is 1 to 64 of A-Z a-z 0-9 . _ -.`);
  const [command, ...args] = shellWords(text.slice(at + 1));
  if (!command) throw new SetupError(`--agent ${text}: the command is missing.`);
  return [name, { command, args }];
}

/** The scripted agents, whose names are those the playground knows them by in the tab. */
function scriptedAgents(store) {
  const script = inRoot('dist/testing/agents/stdio.js');
  // A name with a colon cannot stand in the bridge's addresses; those agents run in the tab.
  const names = AGENT_VARIANTS.filter((variant) => !variant.includes(':'));
  return Object.fromEntries(
    names.map((variant) => [
      variant,
      { command: PROJECT_NODE, args: [script, '--variant', variant, '--store', path.join(store, variant)] },
    ]),
  );
}

function readPort(text) {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new SetupError(`--port ${text}: a port is a number from 0 to 65535.`);
  return port;
}

function readCwd(text) {
  // npm runs scripts in the checkout, and says here where the person was.
  const from = process.env.INIT_CWD ?? process.cwd();
  const cwd = path.resolve(from, text ?? '.');
  if (!existsSync(cwd) || !statSync(cwd).isDirectory()) throw new SetupError(`--cwd ${text}: there is no such folder.`);
  return cwd;
}

/** @param {{ agent: string[], port?: string, cwd?: string, 'agent-store'?: string, 'no-open': boolean, dev: boolean, json: boolean }} options */
export async function startPlayground(options) {
  const own = Object.fromEntries(options.agent.map(parseAgent));
  const port = readPort(options.port);
  const cwd = readCwd(options.cwd);
  const say = (line) => console.error(line);

  const open = [];
  onShutdown(async () => {
    // The bridge first: no page can start an agent any more, and every agent's tree is gone.
    for (const part of open.reverse()) await part.close();
  });

  const print = (words, told) => console.log(options.json ? JSON.stringify(told) : words);
  const serving = {
    port,
    defaultPort: DEFAULT_PORT,
    onNext: (address) => print(`  For another browser:  ${address}`, { address }),
  };
  const site = options.dev ? await serveSources(serving) : await serveSite({ dir: await ensureSite(say), ...serving });
  open.push(site);
  const bridge = await startBridge({
    agents: { ...own, ...scriptedAgents(options['agent-store'] ?? path.join(STATE_DIR, 'agents')) },
    cwd,
    origins: site.origins,
  }).catch((error) => {
    throw RehydrateError.is(error) ? new SetupError(error.message) : error;
  });
  open.push(bridge);
  site.setBridge({ url: bridge.url, token: bridge.token });

  print(
    `\n  Rehydrate is at  ${site.address}\n  The address lets one browser use the agents of this machine, once. Ctrl-C stops it and every agent it started.\n`,
    { url: site.url, address: site.address, agents: bridge.agents },
  );
  if (!options['no-open'] && !options.json) open.push(openBrowser(site.address));
}

/** Opens the page where a person is watching; a machine without a desktop just does not. */
function openBrowser(address) {
  // SECURITY: other users see the arguments of a program. The browser is given a file that only its own user can read.
  const file = path.join(STATE_DIR, `open-${process.pid}.html`);
  const opened = { close: () => rmSync(file, { force: true }) };
  if (!process.stdout.isTTY || process.env.CI) return opened;
  const [command, ...args] =
    process.platform === 'darwin' ? ['open', file] : process.platform === 'win32' ? ['cmd', '/c', 'start', '', file] : ['xdg-open', file];
  if (command === 'xdg-open' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return opened;
  rmSync(file, { force: true });
  writeFileSync(file, `<!doctype html><meta http-equiv="refresh" content="0; url=${address}"><title>Rehydrate</title>\n`, {
    mode: 0o600,
    flag: 'wx',
  });
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => console.error('Open the address in your browser.'));
  child.unref();
  return opened;
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * One way down, whatever asks for it. Runs `stop` once on Ctrl-C, SIGTERM, SIGHUP or the end of the process that started us, then exits as a
 * shell expects. A second signal exits at once.
 *
 * @param {() => Promise<void>} stop
 */
function onShutdown(stop) {
  let stopping = false;
  const down = async (code) => {
    if (stopping) process.exit(code);
    stopping = true;
    try {
      await stop();
    } catch (error) {
      console.error(error);
    }
    process.exit(code);
  };
  for (const [signal, code] of Object.entries(EXIT_CODES)) process.on(signal, () => void down(code));
  // Our bootstrap on an older Node holds this channel; its death, kill -9 included, closes it.
  process.on('disconnect', () => void down(EXIT_CODES.SIGTERM));
}
