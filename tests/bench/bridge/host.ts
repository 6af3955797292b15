/** The bridge in a process of its own, as `rehydrate bridge` runs it. Its first line of output says where it is. */
import { startBridge } from '../../../src/bridge/index.ts';

const [command, ...args] = process.argv.slice(2);
const bridge = await startBridge({ agents: { bench: { command: command!, args } }, allowMissingOrigin: true });
console.log(JSON.stringify({ url: `${bridge.url}/agents/bench`, protocols: ['acp.v1', `bearer.${bridge.token}`] }));
process.stdin.resume().on('end', () => void bridge.close().then(() => process.exit(0)));
