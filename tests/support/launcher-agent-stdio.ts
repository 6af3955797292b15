/** The contract's agents on stdin and stdout: `node launcher-agent-stdio.ts NAME`. */
import { createInterface } from 'node:readline';
import { contractAgent, type ContractAgent } from '../../src/testing/launcher-agent.ts';

const agent = contractAgent(process.argv[2] as ContractAgent, {
  line: (text) => void process.stdout.write(`${text}\n`),
  stderr: (text) => void process.stderr.write(text),
  exit(code) {
    process.exitCode = code;
    // Let what was written get out; then go, whatever else is open.
    process.stdout.write('', () => process.exit(code));
  },
  ignoreSignals() {
    process.on('SIGTERM', () => undefined);
    setInterval(() => undefined, 1_000);
  },
});
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => agent.message(line));
lines.on('close', () => agent.end());
