/** `rehydrate chat`: turns of a durable session, one line each. Ctrl-C cancels the turn, not the program. */
import { RehydrateError } from '../engine/errors.ts';
import type { Host } from '../engine/index.ts';
import type { ResumePolicy, SessionEvent, SessionInfo } from '../engine/types.ts';
import { chatCommand, CHAT_HELP } from './chat-commands.ts';
import { explain } from './database.ts';
import { EXIT, exitCodeOf, SIGNAL_EXITS } from './exit-codes.ts';
import type { EndingSignal } from './exit-codes.ts';
import { followEvents } from './follow.ts';
import { fieldsOf, textOf } from './foreign.ts';
import { tell } from './main.ts';
import type { Command } from './main.ts';
import { openHost, wishesOf } from './open-host.ts';
import type { Output } from './output.ts';
import { one } from './parse.ts';
import { permissionAsker, permissionRule } from './permission.ts';
import type { PermissionAsker } from './permission.ts';
import { applySettings, readySession } from './session.ts';
import { styles } from './styles.ts';
import { HISTORY, openTerminal } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { turnPrinter } from './turn-printer.ts';
import { eventLine } from './words.ts';

export const chat: Command = async ({ call, output, signals }) => {
  const wishes = wishesOf(call);
  const abort = new AbortController();
  const rule = permissionRule(call);
  const open = await openHost(call, rule, wishes);
  const { host } = open;
  const { sessionId } = wishes;
  let terminal: Terminal | null = null;
  let ended: EndingSignal | null = null;
  let busy = false;
  const stop = signals.on((signal) => {
    if (signal === 'SIGINT' && terminal) return void interrupt();
    if (ended) return void open.killAgents();
    ended = signal;
    output.hurry(2_000);
    abort.abort(new DOMException(`ended by ${signal}`, 'AbortError'));
    terminal?.close();
    void host.sleep();
  });
  /** One Ctrl-C cancels a turn; a second while it is being cancelled kills the agent. At the prompt it clears the line. */
  let cancelling = false;
  const interrupt = () => {
    if (!busy) return terminal?.clear();
    if (cancelling) return void open.killAgents();
    cancelling = true;
    output.note('cancelling; Ctrl-C again kills the agent');
    void host.cancel(sessionId);
  };
  try {
    const { session, before } = await readySession(host, wishes, output, abort.signal);
    await applySettings(host, wishes);
    const colours = styles(process.env, output.tty);
    terminal = openTerminal(
      { input: process.stdin, output: process.stdout },
      { history: await earlierPrompts(host, session), interrupt, prompt: colours.prompt('› ') },
    );
    const ask = terminal;
    const printer = turnPrinter(output, false);
    const asker: PermissionAsker = permissionAsker(call, host, sessionId, output, (question, signal) => ask.question(question, signal));
    const following = followEvents(host, sessionId, before, (event: SessionEvent) => {
      printer.event(event);
      asker.event(event);
      return output.room();
    });
    if (output.tty) output.note(`${session.agent} in ${session.cwd}, session ${sessionId}. /help for help, Ctrl-D to leave.`, colours.dim);
    await following.caughtUp();
    const policy = one(call, 'policy') as ResumePolicy | undefined;
    let code: number = EXIT.ok;
    for (let line = await ask.line(); line !== null; line = await ask.line()) {
      if (line.trim() === '') continue;
      busy = true;
      cancelling = false;
      try {
        const done = await oneLineOfChat(host, sessionId, line, policy, output, colours.dim);
        code = EXIT.ok;
        if (done === 'quit') break;
      } catch (error) {
        const unsent = (error as Error).name === 'AbortError';
        if (unsent) output.note('cancelled before it was sent');
        else tell(explain(error, open.file), output, false);
        code = unsent ? EXIT.cancelled : exitCodeOf(error);
      } finally {
        await following.caughtUp();
        output.freshLine();
        busy = false;
      }
    }
    asker.stop();
    await following.stop();
    // In a pipe the last line's outcome is what the caller can act on; a person saw it.
    return ended ? SIGNAL_EXITS[ended] : output.tty ? EXIT.ok : code;
  } catch (error) {
    if (ended && !RehydrateError.is(error)) return SIGNAL_EXITS[ended];
    throw explain(error, open.file);
  } finally {
    terminal?.close();
    await open.close();
    stop();
  }
};

async function oneLineOfChat(
  host: Host,
  sessionId: string,
  line: string,
  policy: ResumePolicy | undefined,
  output: Output,
  dim: (text: string) => string,
): Promise<'quit' | 'on'> {
  const command = chatCommand(line);
  switch (command.do) {
    case 'quit':
      return 'quit';
    case 'help':
      output.line(CHAT_HELP);
      return 'on';
    case 'mode':
      await host.setMode(sessionId, command.modeId);
      output.note(`mode: ${command.modeId}`, dim);
      return 'on';
    case 'set':
      await host.setConfigOption(sessionId, command.key, command.value);
      output.note(`${command.key}: ${command.value}`, dim);
      return 'on';
    case 'history':
      for (const event of await host.history(sessionId)) output.line(eventLine(event));
      return 'on';
    case 'wrong':
      output.note(command.message);
      return 'on';
    case 'prompt':
      await host.prompt(sessionId, command.text, policy ? { policy } : {});
      return 'on';
  }
}

/** What the user asked in this session before, the latest first, as readline wants it. */
async function earlierPrompts(host: Host, session: SessionInfo): Promise<string[]> {
  const after = Math.max(0, session.latestSeq - 5_000);
  const events = await host.history(session.sessionId, { after });
  const prompts = events.flatMap((event) => {
    if (event.kind !== 'update' || event.origin !== 'host') return [];
    const { sessionUpdate, content } = fieldsOf(event.payload);
    const text = sessionUpdate === 'user_message_chunk' ? textOf(content) : null;
    return text === null ? [] : [text];
  });
  return prompts
    .filter((text) => !/[\n\r]/.test(text))
    .reverse()
    .slice(0, HISTORY);
}
