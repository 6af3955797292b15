/**
 * Every command and option of `rehydrate`. The parser, the help and the documentation page are all made from this table. To add a command, add
 * a row to `TABLE`, its name to the rows of its options, and a loader to `main.ts`.
 */

export interface Word {
  readonly name: string;
  /** How the usage line shows it, where that differs from the name. */
  readonly form?: string;
  readonly help: string;
  readonly optional?: true;
  readonly many?: true;
}

export interface CommandRow {
  readonly help: string;
  readonly words?: readonly Word[];
  /** Whether `-- AGENT [ARG…]` follows. */
  readonly agent?: 'required' | 'optional';
  readonly notes?: readonly string[];
}

export interface OptionRow {
  readonly name: string;
  /** The value's name in the help; an option without it is a switch. */
  readonly value?: string;
  readonly many?: true;
  readonly required?: true;
  readonly choices?: readonly string[];
  /** The value is a whole number. */
  readonly range?: readonly [least: number, most?: number];
  readonly default?: string;
  /** The environment variable that is read when the call gives no value. */
  readonly env?: string;
  readonly help: string;
  readonly commands: readonly CommandName[];
}

const ID: Word = { name: 'ID', help: 'The session.' };

const TABLE = {
  prompt: {
    help: 'Send one prompt to a durable session; the reply goes to stdout.',
    words: [{ name: 'TEXT', form: 'TEXT|-', help: 'The prompt; - reads it from stdin.' }],
    agent: 'required',
    notes: [
      'A session that does not exist is created. Every call is a new process, so every call wakes the session.',
      'Ctrl-C cancels the turn and waits for the agent; a second Ctrl-C kills the agent.',
    ],
  },
  chat: {
    help: 'Talk to a durable session in the terminal.',
    agent: 'required',
    notes: ['Ctrl-C cancels the turn, not the program. Ctrl-D or /quit leaves. /help lists the commands.'],
  },
  sessions: { help: 'List the sessions of a database, the last used first.' },
  history: { help: 'Print the events of a session.', words: [ID] },
  transcript: { help: 'Print a session as an agent would be given it to read.', words: [ID] },
  search: {
    help: 'Find messages that contain these words, the latest first.',
    words: [{ name: 'WORDS', help: 'A message must contain all of them.', many: true }],
  },
  fork: {
    help: 'Copy a conversation into a second session, and print its id.',
    words: [ID],
    notes: ['The original session stays as it is.'],
  },
  export: {
    help: 'Write a whole session to stdout as lines of JSON. Known secrets are replaced in texts, but not in the names of fields.',
    words: [ID],
  },
  import: {
    help: 'Make a session from exported lines, and print its id.',
    words: [{ name: 'FILE', form: 'FILE|-', help: 'The exported file; - reads stdin.' }],
  },
  delete: { help: 'Delete a session and its whole record.', words: [ID] },
  bridge: { help: 'Let web pages reach agents on this machine.' },
  doctor: { help: 'Test how well an agent resumes.', agent: 'required' },
  acp: {
    help: 'Run an agent for an editor or another ACP client, with sessions that survive it.',
    agent: 'optional',
    notes: [
      'In the editor’s settings, put it in front of the agent’s own command. stdin and stdout carry ACP and nothing else.',
      'With --connect it starts nothing: it connects the editor to an agent of a server that is already running (rehydrate serve).',
    ],
  },
  serve: {
    help: 'Serve agents to many ACP clients of this machine. Sessions go on while clients come and go.',
    notes: [
      'A client connects to {url}/agents/NAME, as to a bridge, or with rehydrate acp --connect. Programs, which send no Origin, need only the token; pages also need --origin.',
    ],
  },
  'demo-agent': {
    help: 'Run a scripted agent, without a model, to try things on. It remembers facts that it is told.',
    words: [{ name: 'NAME', help: 'Which agent, by its name in the playground. Default: native.', optional: true }],
    notes: ['Put it after the -- of another command: rehydrate prompt "my name is Ada" -- rehydrate demo-agent --store .agent'],
  },
} satisfies Readonly<Record<string, CommandRow>>;

export type CommandName = keyof typeof TABLE;
export const COMMANDS: Readonly<Record<CommandName, CommandRow>> = TABLE;
/** In the order of the help. */
export const COMMAND_NAMES = Object.keys(TABLE) as readonly CommandName[];

const TURNS: readonly CommandName[] = ['prompt', 'chat'];
const AGENTS: readonly CommandName[] = [...TURNS, 'acp', 'serve'];

const ROWS = [
  {
    name: 'db',
    value: 'FILE',
    env: 'REHYDRATE_DB',
    help: 'The database. Default: $REHYDRATE_DB, else rehydrate/sessions.sqlite in the XDG data directory.',
    commands: ['prompt', 'chat', 'sessions', 'history', 'transcript', 'search', 'fork', 'export', 'import', 'delete', 'acp', 'serve'],
  },
  { name: 'session', value: 'ID', default: 'main', help: 'The session.', commands: TURNS },
  {
    name: 'cwd',
    value: 'DIR',
    help: 'The directory of a new session. Default: the current one. An existing session keeps its own; if that is gone, this replaces it.',
    commands: TURNS,
  },
  {
    name: 'policy',
    value: 'POLICY',
    choices: ['auto', 'strict', 'transcript'],
    help: 'How the session may be resumed: auto (default) tries the agent’s own ways first, strict allows nothing else, transcript skips them.',
    commands: AGENTS,
  },
  {
    name: 'preamble',
    value: 'MODE',
    choices: ['inline', 'resource', 'file'],
    default: 'inline',
    help: 'How the agent is given a transcript: in the text of the prompt, as an embedded resource if it takes those, or as a private file.',
    commands: AGENTS,
  },
  {
    name: 'protocol',
    value: 'VERSION',
    choices: ['v1', 'v2', 'newest'],
    help: 'The version of ACP to use: v1 (default), v2, which is still a draft, or the newest that the agent speaks.',
    commands: AGENTS,
  },
  {
    name: 'env',
    value: 'NAME',
    many: true,
    help: 'An environment variable that must be set. Its value is never stored and is redacted.',
    commands: AGENTS,
  },
  {
    name: 'permission',
    value: 'RULE',
    choices: ['ask', 'allow', 'reject'],
    help: 'How to answer an agent that asks for permission. Default: ask; without a terminal to ask on, that rejects and says so.',
    commands: TURNS,
  },
  { name: 'auth', value: 'METHOD', help: 'Sign in first, with one of the agent’s methods.', commands: TURNS },
  { name: 'mode', value: 'ID', help: 'Set the session’s mode before the prompt.', commands: TURNS },
  { name: 'set', value: 'KEY=VALUE', many: true, help: 'Set a configuration option before the prompt.', commands: TURNS },
  {
    name: 'timeout',
    value: 'SECONDS',
    range: [1, 86_400],
    help: 'How long the agent may take to start, and to open a session. Default: 60; at most 86400, a day.',
    commands: AGENTS,
  },
  {
    name: 'idle',
    value: 'SECONDS',
    range: [0, 2_147_483],
    help: 'End an agent that was not used for this long; the next prompt starts it again. Default: 0, never; at most 2147483.',
    commands: ['acp', 'serve'],
  },
  {
    name: 'adopt',
    help: 'Also list the agent’s own sessions, and import each into the database when it is loaded.',
    commands: ['acp'],
  },
  {
    name: 'mcp',
    value: 'FILE',
    help: 'All MCP servers of the session: a JSON array as in ACP, or {"mcpServers": {…}}. Secret values are never stored: give the file again on each call.',
    commands: TURNS,
  },
  {
    name: 'idempotency-key',
    value: 'KEY',
    help: 'Makes the call safe to repeat: the same key and text return the stored result and send nothing.',
    commands: ['prompt'],
  },
  { name: 'session', value: 'NEW', help: 'The id of the new session. Default: a random one.', commands: ['fork'] },
  { name: 'session', value: 'NEW', help: 'The id of the session here. Default: as in the file.', commands: ['import'] },
  { name: 'after', value: 'SEQ', range: [0], help: 'The last event to copy, by its number. Default: all of them.', commands: ['fork'] },
  { name: 'after', value: 'N', range: [0], help: 'Only events after this number.', commands: ['history'] },
  { name: 'limit', value: 'N', range: [1], help: 'At most this many events. Default: all of them.', commands: ['history'] },
  { name: 'budget', value: 'BYTES', range: [1], help: 'At most this many bytes. Default: 65536.', commands: ['transcript'] },
  { name: 'json', help: 'Print JSON, one object a line.', commands: ['prompt', 'sessions', 'history', 'search'] },
  {
    name: 'agent',
    value: 'NAME=COMMAND',
    many: true,
    required: true,
    help: 'An agent to offer. COMMAND is split into words as a shell does it, but no shell runs.',
    commands: ['bridge', 'serve'],
  },
  {
    name: 'agent',
    value: 'NAME',
    help: 'The name under which the agent’s sessions are stored and listed. Default: its program’s. With --connect: which of the server’s agents.',
    commands: ['acp'],
  },
  {
    name: 'connect',
    value: 'URL',
    help: 'The server’s address, ws://HOST:PORT, or the gateway URL of a RivetKit actor.',
    commands: ['acp'],
  },
  { name: 'token-file', value: 'FILE', help: 'The file with the server’s token.', commands: ['acp'] },
  {
    name: 'token-file',
    value: 'FILE',
    help: 'Read the token from this file; if it is missing, create it (mode 0600). Default: a new token for each run.',
    commands: ['serve'],
  },
  { name: 'host', value: 'HOST', default: '127.0.0.1', help: 'The address to listen on.', commands: ['bridge', 'serve'] },
  { name: 'port', value: 'N', range: [0, 65_535], help: 'The port. Default: a free one.', commands: ['bridge', 'serve'] },
  { name: 'cwd', value: 'DIR', help: 'Where the agents run. Default: the current directory.', commands: ['bridge'] },
  { name: 'origin', value: 'URL', many: true, help: 'An exact origin whose pages may connect.', commands: ['bridge', 'serve'] },
  { name: 'allow-missing-origin', help: 'Also accept clients that are not browsers.', commands: ['bridge'] },
  {
    name: 'allow-mcp',
    help: 'Let clients have agents start programs: MCP servers with a command, and what agents run from _meta.',
    commands: ['bridge', 'serve'],
  },
  { name: 'allow-mcp', help: 'Accept a file whose MCP servers start programs.', commands: ['import'] },
  { name: 'allow-remote', help: 'Allow a host that is not loopback.', commands: ['bridge', 'serve'] },
  { name: 'json', help: 'Print {"url","token","agents"} as the first line of stdout.', commands: ['bridge', 'serve'] },
  { name: 'json', help: 'Print the report as JSON.', commands: ['doctor'] },
  {
    name: 'timeout',
    value: 'SECONDS',
    range: [1, 3_600],
    default: '60',
    help: 'How long one answer of the agent may take; at most 3600, an hour.',
    commands: ['doctor'],
  },
  { name: 'auth', value: 'METHOD', help: 'Sign in at each start, with one of the agent’s methods.', commands: ['doctor'] },
  {
    name: 'protocol',
    value: 'VERSION',
    choices: ['v1', 'v2', 'newest'],
    help: 'The version of ACP to examine; --expect then looks at that one. Default: each that the agent speaks.',
    commands: ['doctor'],
  },
  { name: 'no-prompt', help: 'Send no prompt, so that no model is asked.', commands: ['doctor'] },
  {
    name: 'expect',
    value: 'TIER',
    choices: ['resume', 'load', 'transcript'],
    help: 'Exit 1 unless a killed session comes back by this tier or a better one.',
    commands: ['doctor'],
  },
  {
    name: 'store',
    value: 'FILE',
    help: 'The directory in which it keeps its sessions; created if missing. Default: in memory only.',
    commands: ['demo-agent'],
  },
] as const satisfies readonly OptionRow[];

export type OptionName = (typeof ROWS)[number]['name'];

/** In the order of the help. */
export function optionsOf(command: CommandName): readonly OptionRow[] {
  return (ROWS as readonly OptionRow[]).filter(({ commands }) => commands.includes(command));
}

export function wordsOf(command: CommandName): readonly Word[] {
  return COMMANDS[command].words ?? [];
}

/** Whether words may follow `--`. Other commands have the agent there. */
export function takesWordsAfterDashes(command: CommandName): boolean {
  return COMMANDS[command].agent === undefined && wordsOf(command).length > 0;
}

export function endOfOptions(command: CommandName): string {
  return `Ends the options: ${wordsOf(command)
    .map(({ name }) => name)
    .join(' ')} after it may start with dashes.`;
}

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notResumable: 3,
  busy: 4,
  unknown: 5,
  hangup: 129,
  cancelled: 130,
  terminated: 143,
} as const;

export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'the turn ended, or the command did what was asked'],
  [EXIT.error, 'any other error, such as a locked or unreadable database, or output that could not be written'],
  [EXIT.usage, 'usage: the call itself is wrong, or the value of an option or a word'],
  [EXIT.notResumable, 'the session cannot be resumed, or whether it can is not known'],
  [EXIT.busy, 'the session is in use elsewhere, or a turn of it is running'],
  [EXIT.unknown, 'the outcome of the turn is unknown, or it was cancelled and did not end in time; it is not sent again'],
  [EXIT.hangup, 'ended by SIGHUP; the turn is interrupted'],
  [EXIT.cancelled, 'cancelled by Ctrl-C; a second one kills the agent'],
  [EXIT.terminated, 'ended by SIGTERM; the turn is interrupted'],
];

/** The optional peer dependencies. The command uses none of them. */
export const OPTIONAL_PACKAGES: readonly (readonly [name: string, use: string])[] = [
  ['sql.js', 'acp-rehydrate/sqljs, a database in a browser tab: npm install sql.js'],
  ['rivetkit', 'acp-rehydrate/rivetkit, sessions in RivetKit actors: npm install rivetkit'],
];

/** The most columns that help takes. */
export const WIDTH = 100;

export function usageLine(name: CommandName): string {
  const options = optionsOf(name);
  const required = options.filter((option) => option.required);
  const words = wordsOf(name).map((word) => {
    const form = `${word.form ?? word.name}${word.many ? '…' : ''}`;
    return word.optional ? `[${form}]` : form;
  });
  const { agent } = COMMANDS[name];
  return [
    'rehydrate',
    name,
    ...(options.length > required.length ? ['[options]'] : []),
    ...required.map(optionForm),
    ...words,
    ...(agent === 'required' ? ['-- AGENT [ARG…]'] : agent === 'optional' ? ['[-- AGENT [ARG…]]'] : []),
  ].join(' ');
}

export function overview(width = WIDTH): string {
  return [
    'rehydrate gives any ACP agent durable sessions.',
    '',
    'Commands:',
    ...columns(
      width,
      COMMAND_NAMES.map((name) => [name, COMMANDS[name].help]),
    ),
    '',
    'Exit codes:',
    ...columns(
      width,
      EXIT_CODES.map(([code, meaning]) => [String(code), meaning]),
    ),
    '',
    'Optional packages, for parts of the library; the command needs none of them:',
    ...columns(width, OPTIONAL_PACKAGES),
    '',
    '“rehydrate help COMMAND” shows the options of a command.',
  ].join('\n');
}

export function commandHelp(name: CommandName, width = WIDTH): string {
  const { help, notes = [] } = COMMANDS[name];
  const options: Row[] = optionsOf(name).map((option) => [optionForm(option), optionText(option)]);
  if (takesWordsAfterDashes(name)) options.push(['--', endOfOptions(name)]);
  const parts = [
    [usageLine(name)],
    wrap(help, width),
    columns(
      width,
      wordsOf(name).map((word) => [word.name, word.help]),
    ),
    options.length > 0 ? ['Options:', ...columns(width, options)] : [],
    notes.flatMap((note) => wrap(note, width)),
  ];
  return parts
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n');
}

/** Such as `--set KEY=VALUE…`, where the ellipsis marks an option that may be repeated. */
export function optionForm({ name, value, many }: OptionRow): string {
  return `--${name}${value === undefined ? '' : ` ${value}${many ? '…' : ''}`}`;
}

export function optionHelp({ help, default: value }: OptionRow): string {
  return value === undefined ? help : `${help} Default: ${value}.`;
}

function optionText(option: OptionRow): string {
  return option.choices ? `${option.choices.join(' | ')}. ${optionHelp(option)}` : optionHelp(option);
}

type Row = readonly [name: string, text: string];

function columns(width: number, rows: readonly Row[]): string[] {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows.flatMap(([name, text]) =>
    wrap(text, width - left).map((line, index) => (index === 0 ? `  ${name}` : '').padEnd(left) + line),
  );
}

/** Lines of at most `width` characters, cut at spaces; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
