/** `rehydrate acp`: an agent for an editor, with sessions that never die. stdout carries ACP and nothing else. */
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import { serveAcp } from '../../server/index.ts';
import type { Command } from '../context.ts';
import { EXIT, SIGNAL_EXITS } from '../exit-codes.ts';
import { openHost } from '../host.ts';
import { sessionOptions } from '../session.ts';
import { endedBy, watchInterrupts } from '../signals.ts';
import { stdioMessages } from '../stdio-messages.ts';

export const acp: Command = async ({ call, output, signals }) => {
  const options = sessionOptions(call);
  const told = Promise.withResolvers<void>();
  const interrupts = watchInterrupts(signals, () => told.resolve());
  // What the agent asks of its client is the editor's to answer, not this process's.
  const opened = await openHost(call, 'ask', options, null);
  const serving = serveAcp(opened.host, stdioMessages(process.stdin, process.stdout, DEFAULT_LIMITS.messageBytes), {
    agent: options.agent,
    env: options.env,
  });
  interrupts.act = (action) => {
    told.resolve();
    if (action === 'kill') void opened.killAgents();
  };
  await Promise.race([serving.closed, told.promise]);
  serving.close();
  await opened.close();
  interrupts.stop();
  const signal = interrupts.ending.kind === 'asked' ? 'SIGINT' : endedBy(interrupts.ending);
  if (signal !== null) output.note(`ended by ${signal}`);
  return signal === null ? EXIT.ok : SIGNAL_EXITS[signal];
};
