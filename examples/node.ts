/** A host in a Node process: `node node.ts AGENT [ARG…]`. */
// #region host
import { openHost } from 'acp-rehydrate/node';

// #endregion host
const [command = '', ...args] = process.argv.slice(2);

// #region host
const host = await openHost('node.sqlite', {
  agents: { mine: { command, args } },
  powerLossSafe: true,
  limits: { sessionMs: 120_000 },
});
// #endregion host

const { sessionId } = await host.create({ agent: 'mine', cwd: process.cwd() });
await host.prompt(sessionId, 'hello');

// #region end
process.once('SIGTERM', () => void host.sleep());
// #endregion end

await host.sleep();
console.log('ended');
