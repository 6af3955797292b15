/** The launcher contract's agents in a thread; which one stands in the worker's name. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { workerAgent } from '../../src/adapters/worker/agent-side.ts';
import type { PortLike } from '../../src/adapters/worker/frames.ts';
import { contractAgent } from '../../src/testing/launcher-agent.ts';
import type { ContractAgent } from '../../src/testing/launcher-agent.ts';

declare const self: PortLike & { readonly name: string };

const scope = await workerAgent(self);
const writer = scope.stream.writable.getWriter();
let written: Promise<void> = Promise.resolve();
const agent = contractAgent(self.name as ContractAgent, {
  line(text) {
    if (text.startsWith('{"jsonrpc":"2.0",') && text.endsWith('}')) written = writer.write(JSON.parse(text) as AnyMessage);
    else if (text !== '') scope.print(text);
  },
  stderr: (text) => scope.log(text),
  exit: (code) => void written.then(() => scope.exit(code)),
  ignoreSignals: () => undefined,
});
void scope.asked.then(() => agent.end());
for await (const message of scope.stream.readable as unknown as AsyncIterable<AnyMessage>) agent.message(JSON.stringify(message));
agent.end();
