/**
 * `npm start`: the site with its playground, and a bridge that runs agents for it, at one URL.
 *
 *   npm start -- [--agent NAME=COMMAND]… [--port N] [--cwd DIR] [--no-open] [--dev] [--json]
 */
import { parseArgs } from 'node:util';
import { main, SetupError, setUp } from './support/setup.mjs';

const USAGE = `npm start -- [options]

  --agent NAME=COMMAND  offer one more agent in the playground (repeatable)
  --port N              serve on this port (default: 4321, or the next free one)
  --cwd DIR             the folder agents work in (default: where the command was run)
  --agent-store DIR     where the scripted agents keep their sessions (default: in this checkout)
  --no-open             do not open a browser
  --dev                 rebuild as files change, for work on the site; no search
  --json                print {"url", "address", "agents"} as one line of JSON instead of text, and {"address"} for each further browser`;

function options() {
  try {
    return parseArgs({
      options: {
        agent: { type: 'string', multiple: true, default: [] },
        port: { type: 'string' },
        cwd: { type: 'string' },
        'agent-store': { type: 'string' },
        'no-open': { type: 'boolean', default: false },
        dev: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

await main(async () => {
  const chosen = options();
  if (chosen.help) {
    console.log(USAGE);
    return;
  }
  await setUp();
  const { startPlayground } = await import('./support/playground-server.mjs');
  await startPlayground(chosen);
});
