/** `rehydrate doctor`, called through the same table of options as the other commands. */
import { doctorCommand } from './doctor/command.ts';
import { SIGNAL_EXITS } from './exit-codes.ts';
import { endedBy, watchInterrupts } from './interrupt.ts';
import type { Command } from './main.ts';
import { one } from './parse.ts';

export const doctor: Command = async ({ call, output, signals }) => {
  const interrupts = watchInterrupts(signals, () => undefined);
  const switches = ['json', 'no-prompt'].filter((name) => call.given.has(name)).map((name) => `--${name}`);
  const timeout = one(call, 'timeout');
  const argv = [...switches, ...(timeout === undefined ? [] : [`--timeout=${timeout}`]), '--', ...call.agent];
  const io = {
    stdout: { write: (text: string) => output.text(text), columns: process.stdout.columns },
    stderr: { write: (text: string) => output.note(text.replace(/\n$/, '')) },
  };
  try {
    return await doctorCommand(argv, io, interrupts.signal);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    const signal = endedBy(interrupts.ending) ?? 'SIGINT';
    output.note(`ended by ${signal}`);
    return SIGNAL_EXITS[signal];
  } finally {
    interrupts.stop();
  }
};
