/** What a line of `chat` means. Pure. */

export type ChatCommand =
  | { readonly do: 'prompt'; readonly text: string }
  | { readonly do: 'quit' }
  | { readonly do: 'help' }
  | { readonly do: 'history' }
  | { readonly do: 'mode'; readonly modeId: string }
  | { readonly do: 'set'; readonly key: string; readonly value: string }
  | { readonly do: 'wrong'; readonly message: string };

export const CHAT_HELP = [
  '/quit            leave (Ctrl-D does too); the session stays',
  '/mode ID         set the mode',
  '/set KEY=VALUE   set a configuration option',
  '/history         the events of this session',
  '/help            this',
  'Ctrl-C           cancel the turn; twice kills the agent',
  'Everything else goes to the agent, its own /commands too.',
].join('\n');

/** Commands that are not ours belong to the agent. */
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
