/** `rehydrate chat`: a durable session in the terminal; each line is a prompt or a chat command. Ctrl-C cancels the turn, not the program. */
import { styleText } from 'node:util';
import { type Command, type EndingSignal, exitCodeOf, printError, SIGNAL_EXITS } from '../ends.ts';
import { EXIT } from '../table.ts';
import { eventLine } from '../format.ts';
import { explain, hostOf } from '../host.ts';
import type { Output } from '../output.ts';
import { applySettings, readySession, sessionOptions, setOption } from '../session.ts';
import { openTerminal, type Terminal } from '../terminal.ts';
import { followEvents, ownEvents, permissionAsker, permissionRule, storedEvents, textPrinter } from '../turn.ts';
import { RehydrateError } from '../../engine/errors.ts';
import type { Host } from '../../engine/index.ts';

const dim = (text: string): string => styleText('dim', text);

export type ChatCommand =
  | { readonly do: 'prompt'; readonly text: string }
  | { readonly do: 'quit' | 'help' | 'history' }
  | { readonly do: 'mode'; readonly modeId: string }
  | { readonly do: 'set'; readonly key: string; readonly value: string }
  | { readonly do: 'wrong'; readonly message: string };

const CHAT_HELP = [
  '/quit            leave (Ctrl-D does too); the session stays',
  '/mode ID         set the mode',
  '/set KEY=VALUE   set a configuration option',
  '/history         the events of this session',
  '/help            this',
  'Ctrl-C           cancel the turn; twice kills the agent',
  'Everything else goes to the agent, including its own /commands.',
  'Several lines pasted at once are one prompt; Enter sends it.',
].join('\n');

/** Parses a line. A slash command that is not ours is a prompt, since it may be the agent's. Pure. */
export function chatCommand(line: string): ChatCommand {
  const text = line.trim();
  const [word = '', ...rest] = text.split(/\s+/);
  const argument = text.slice(word.length).trim();
  switch (word) {
    case '/quit':
    case '/exit':
      return { do: 'quit' };
    case '/help':
      return { do: 'help' };
    case '/history':
      return { do: 'history' };
    case '/mode':
      return rest.length === 1 ? { do: 'mode', modeId: argument } : { do: 'wrong', message: 'Say which mode: /mode ID' };
    case '/set': {
      const equals = argument.indexOf('=');
      return equals < 1
        ? { do: 'wrong', message: 'Say what to set: /set KEY=VALUE' }
        : { do: 'set', key: argument.slice(0, equals).trim(), value: argument.slice(equals + 1).trim() };
    }
    default:
      return { do: 'prompt', text: line };
  }
}

export const chat: Command = async ({ call, output, signals }) => {
  const options = sessionOptions(call);
  const abort = new AbortController();
  const rule = permissionRule(call);
  const open = await hostOf(call, rule, options.env);
  const { host } = open;
  const { sessionId } = options;
  let terminal: Terminal | null = null;
  let ended: EndingSignal | null = null;
  let turn: 'none' | 'running' | 'cancelling' = 'none';
  signals.on((signal) => {
    if (signal === 'SIGINT' && terminal && !ended) return interrupt();
    end(signal);
  });
  const end = (signal: EndingSignal) => {
    if (ended) {
      void open.killAgents();
      return;
    }
    ended = signal;
    output.hurry();
    abort.abort(new DOMException(`ended by ${signal}`, 'AbortError'));
    terminal?.close();
    void host.sleep();
  };
  /** Ctrl-C. During a turn it cancels, then kills the agent. At the prompt it clears the line, or ends a chat that is not on a terminal. */
  const interrupt = () => {
    switch (turn) {
      case 'none':
        if (process.stdin.isTTY) terminal?.clear();
        else end('SIGINT');
        return;
      case 'cancelling':
        void open.killAgents();
        return;
      case 'running':
        turn = 'cancelling';
        output.note('cancelling; Ctrl-C again kills the agent');
        // When it cannot be cancelled, the prompt's own error says why.
        void host.cancel(sessionId).catch(() => undefined);
    }
  };
  try {
    const { session, before } = await readySession(host, options, output, abort.signal);
    await applySettings(host, options);
    const screen = openTerminal(process.stdin, process.stdout, { interrupt, prompt: styleText('cyan', '› '), freshLine: output.freshLine });
    terminal = screen;
    const printer = textPrinter(output, { between: true });
    const asker = permissionAsker(call, host, sessionId, output, () => screen);
    const shown = ownEvents(open.ownIds, (event) => {
      if (turn === 'none') screen.aside();
      printer.event(event);
      if (event.kind !== 'permission_requested' || open.ownIds.has(event.payload.requestId)) asker.event(event);
    });
    const following = followEvents(host, sessionId, before, (event) => {
      if (event.kind === 'turn_ended' && event.turnId !== null && !open.ownIds.has(event.turnId)) {
        if (turn === 'none') screen.aside();
        output.note('Another process prompted this session; /history shows it.', dim);
      }
      shown.event(event);
      return output.room();
    });
    if (output.tty) output.note(`${session.agent} in ${session.cwd}, session ${sessionId}. /help for help, Ctrl-D to leave.`, dim);
    await following.caughtUp();
    shown.release();
    let code: number = EXIT.ok;
    for (let line = await screen.line(); line !== null; line = await screen.line()) {
      if (line.trim() === '') continue;
      turn = 'running';
      try {
        const command = chatCommand(line);
        if (command.do === 'quit') break;
        await act(command, host, sessionId, output);
        if (command.do !== 'prompt') {
          await following.caughtUp();
          shown.release();
        }
        code = EXIT.ok;
      } catch (error) {
        const unsent = RehydrateError.is(error) && error.code === 'prompt_cancelled';
        if (unsent) output.note('cancelled before it was sent');
        else printError(explain(error, open.file), output, false);
        code = unsent ? EXIT.cancelled : exitCodeOf(error);
      } finally {
        await following.caughtUp();
        output.freshLine();
        turn = 'none';
      }
    }
    asker.stop();
    await following.stop();
    output.freshLine();
    if (ended) return SIGNAL_EXITS[ended];
    // A person has seen how the last line ended; a caller in a pipe has only the exit code.
    return output.tty ? EXIT.ok : code;
  } catch (error) {
    if (ended && (!RehydrateError.is(error) || error.code === 'aborted')) return SIGNAL_EXITS[ended];
    throw explain(error, open.file);
  } finally {
    terminal?.close();
    await open.close();
  }
};

async function act(command: Exclude<ChatCommand, { do: 'quit' }>, host: Host, sessionId: string, output: Output): Promise<void> {
  switch (command.do) {
    case 'help':
      return output.line(CHAT_HELP);
    case 'mode':
      await host.setMode(sessionId, command.modeId);
      return output.note(`mode: ${command.modeId}`, dim);
    case 'set':
      await setOption(host, sessionId, command.key, command.value);
      return output.note(`${command.key}: ${command.value}`, dim);
    case 'history':
      for await (const event of storedEvents(host, sessionId)) {
        output.line(eventLine(event));
        await output.room();
      }
      return;
    case 'wrong':
      return output.note(command.message);
    case 'prompt':
      await host.prompt(sessionId, command.text);
  }
}
