/** `rehydrate demo-agent`: a scripted agent without a model, to try things on. */
import path from 'node:path';
import { runAgentOnStdio } from '../../testing/agents/on-stdio.ts';
import { AGENT_VARIANTS, behaviourOf, isAgentVariant, VARIANT_DESCRIPTIONS } from '../../testing/agents/variants.ts';
import { type Command, SIGNAL_EXITS } from '../ends.ts';
import { EXIT } from '../table.ts';
import { one, UsageError } from '../parse.ts';

const demoAgent: Command = async ({ call, output, signals }) => {
  const [variant = 'native'] = call.words;
  if (!isAgentVariant(variant))
    throw new UsageError(`There is no demo agent “${variant}”. There are: ${AGENT_VARIANTS.join(', ')}.`, 'demo-agent');
  const store = one(call, 'store');
  if (process.stdin.isTTY)
    output.note(`${variant}: ${VARIANT_DESCRIPTIONS[variant]} It speaks ACP on stdin and stdout: put it after the -- of another command.`);
  // The stubborn agent ignores signals.
  signals.on((signal) => {
    if (!behaviourOf(variant).stubborn) process.exit(SIGNAL_EXITS[signal]);
  });
  await runAgentOnStdio(variant, { store: store === undefined ? undefined : path.resolve(store) });
  return EXIT.ok;
};

export { demoAgent as 'demo-agent' };
