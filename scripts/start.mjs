/** `npm start`: serves the site with its playground, and a bridge for its agents, at one URL; one Ctrl-C stops both. */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startBridge } from 'acp-rehydrate/bridge';
import { AGENT_VARIANTS, scriptedAgent } from 'acp-rehydrate/testing';
import { bridgeOptions } from '../src/cli/commands/bridge.ts';
import { parse } from '../src/cli/parse.ts';
import { main, SetupError, STATE_DIR } from './support/setup.mjs';
import { ensureSite } from './support/site-build.mjs';
import { serveSite, serveSources } from './support/site-server.mjs';

const USAGE = `npm start -- [options]

  --agent NAME=COMMAND  offer one more agent in the playground (repeatable)
  --port N              serve on this port (default: 4321, or the next free one)
  --cwd DIR             the folder agents work in (default: where the command was run)
  --agent-store DIR     where the scripted agents keep their sessions (default: in this checkout)
  --no-open             do not open a browser
  --dev                 rebuild as files change, for work on the site; no search
  --json                print {"url", "address", "agents"} as one line of JSON instead of text, and {"address"} for each further browser`;

const switched = { type: 'boolean', default: false };
const OPTIONS = {
  agent: { type: 'string', multiple: true, default: [] },
  port: { type: 'string' },
  cwd: { type: 'string', default: '.' },
  'agent-store': { type: 'string', default: path.join(STATE_DIR, 'agents') },
  'no-open': switched,
  dev: switched,
  json: switched,
  help: { ...switched, short: 'h' },
};

/** Makes the options by parsing a `rehydrate bridge` call with the person's agents and the scripted ones, so that options mean the same. */
function bridgeCall({ agent, port, cwd, 'agent-store': store }) {
  // A bridge's addresses cannot have a colon, so agents with one in their name run only in the tab.
  const scripted = AGENT_VARIANTS.filter((variant) => !variant.includes(':')).map((variant) => {
    const { command, args } = scriptedAgent(variant, { store: path.join(store, variant) });
    return `${variant}=${[command, ...args].map((word) => JSON.stringify(word)).join(' ')}`;
  });
  const agents = [...agent, ...scripted].flatMap((each) => ['--agent', each]);
  return bridgeOptions(parse(['bridge', ...agents, `--cwd=${cwd}`, ...(port === undefined ? [] : [`--port=${port}`])]).call);
}

await main(async () => {
  // npm runs scripts in the checkout; INIT_CWD is where the person called it.
  process.chdir(process.env.INIT_CWD ?? '.');
  const open = [];
  try {
    const { values: options } = parseArgs({ options: OPTIONS });
    if (options.help) {
      console.log(USAGE);
      return;
    }
    const { port, ...asked } = bridgeCall(options);
    onShutdown(async () => {
      // The bridge first, so that no page can start an agent any more.
      for (const part of open.reverse()) await part.close();
    });
    const print = (words, told) => console.log(options.json ? JSON.stringify(told) : words);
    const serving = { port, onNext: (address) => print(`  For another browser:  ${address}`, { address }) };
    const site = options.dev ? await serveSources(serving) : await serveSite({ dir: await ensureSite(), ...serving });
    open.push(site);
    const bridge = await startBridge({ ...asked, origins: site.origins });
    open.push(bridge);
    site.setBridge({ url: bridge.url, token: bridge.token });
    print(
      `\n  Rehydrate is at  ${site.address}\n  The address lets one browser use the agents of this machine, once. Ctrl-C stops it and every agent it started.\n`,
      { url: site.url, address: site.address, agents: bridge.agents },
    );
    if (!options['no-open'] && !options.json && process.stdout.isTTY && !process.env.CI) open.push(openBrowser(site.address));
  } catch (error) {
    if (error.code === 'invalid_argument') throw new SetupError(error.message);
    if (error.name === 'UsageError' || error.code?.startsWith('ERR_PARSE_ARGS')) throw new SetupError(`${error.message}\n\n${USAGE}`);
    throw error;
  }
});

/** Opens the address in the person's browser. */
function openBrowser(address) {
  // SECURITY: other users see a program's arguments, so the address is in a file that only this user can read.
  const file = path.join(STATE_DIR, `open-${process.pid}.html`);
  rmSync(file, { force: true });
  const page = `<!doctype html><meta http-equiv="refresh" content="0; url=${address}"><title>Rehydrate</title>\n`;
  writeFileSync(file, page, { mode: 0o600, flag: 'wx' });
  if (process.platform === 'darwin' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY) {
    const child = spawn(process.platform === 'darwin' ? 'open' : 'xdg-open', [file], { stdio: 'ignore', detached: true });
    child.on('error', () => console.error('Open the address in your browser.'));
    child.unref();
  }
  return { close: () => rmSync(file, { force: true }) };
}

/** Runs `stop` at the first signal, then exits as a shell expects; a second one exits at once. */
function onShutdown(stop) {
  let stopping = false;
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }))
    process.on(signal, async () => {
      if (stopping) process.exit(code);
      stopping = true;
      await stop().catch(console.error);
      process.exit(code);
    });
}
