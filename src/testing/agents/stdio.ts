/**
 * Runs a scripted agent on stdin and stdout:
 *
 *   node stdio.js [--variant NAME] [--store DIR] [--pace FACTOR]
 *
 * Without `--store` its sessions live as long as the process. `--pace` multiplies its pauses.
 */
import { parseArgs } from 'node:util';
import { runAgentOnStdio } from './on-stdio.ts';
import { AGENT_VARIANTS, isAgentVariant } from './variants.ts';

const { values } = parseArgs({
  options: {
    variant: { type: 'string', default: 'native' },
    store: { type: 'string' },
    pace: { type: 'string', default: '1' },
  },
});

if (!isAgentVariant(values.variant)) {
  process.stderr.write(`There is no variant “${values.variant}”. There are: ${AGENT_VARIANTS.join(', ')}.\n`);
  process.exit(2);
}

await runAgentOnStdio(values.variant, { store: values.store, pace: Number(values.pace) });
process.exit(0);
