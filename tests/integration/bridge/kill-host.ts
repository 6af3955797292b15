/** A bridge in a process of its own, to be killed: prints where it is, as `rehydrate bridge --json` does. */
import { startBridge } from '../../../src/bridge/index.ts';

const [command, ...args] = process.argv.slice(2);
const bridge = await startBridge({ agents: { agent: { command: command!, args } }, allowMissingOrigin: true });
console.log(JSON.stringify({ url: bridge.url, token: bridge.token }));
