/**
 * Every command and option of `rehydrate`: parsing, the help and the page of the documentation are made from this table. A command is a row in
 * `TABLE`, its name in the rows of its options, and a loader in `main.ts`.
 */

export interface Word {
  readonly name: string;
  /** In the usage line, where that differs from the name. */
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
  /** The environment variable for a call that gives no value. */
  readonly env?: string;
  readonly help: string;
  readonly commands: readonly CommandName[];
}

const ID: Word = { name: 'ID', help: 'The session.' };

const TABLE = {
  prompt: {
    help: 'One turn of a durable session; the reply on stdout.',
    words: [{ name: 'TEXT', form: 'TEXT|-', help: 'The prompt; - reads it from stdin.' }],
    agent: 'required',
    notes: [
      'A session that does not exist is made. Every call is a process of its own, so every call is a wake.',
      'Ctrl-C cancels the turn and waits for the agent; a second Ctrl-C kills it.',
    ],
  },
  chat: {
    help: 'The same, interactive.',
    agent: 'required',
    notes: ['Ctrl-C cancels the turn, not the program. Ctrl-D or /quit leaves. /help lists the commands.'],
  },
  sessions: { help: 'The sessions of a database, the last used first.' },
  history: { help: 'The events of a session.', words: [ID] },
  transcript: { help: 'A session as an agent would be given it to read.', words: [ID] },
  search: {
    help: 'Messages with these words in them, the latest first.',
    words: [{ name: 'WORDS', help: 'All of them must stand in one message.', many: true }],
  },
  fork: {
    help: 'The same conversation in a second session, whose id is on stdout.',
    words: [ID],
    notes: ['The session that it was made from stays as it is.'],
  },
  export: {
    help: 'A whole session as lines of JSON on stdout. Known secrets are replaced in its texts, not in the names of fields.',
    words: [ID],
  },
  import: {
    help: 'A session from such lines. Its id is on stdout.',
    words: [{ name: 'FILE', form: 'FILE|-', help: 'The file; - reads stdin.' }],
  },
  delete: { help: 'Removes a session and its whole record.', words: [ID] },
  bridge: { help: 'Lets pages of a browser reach agents on this machine.' },
  doctor: { help: 'Tests how well an agent resumes.', agent: 'required' },
  acp: {
    help: 'The agent, for an editor or any other ACP client, with sessions that survive it.',
    agent: 'optional',
    notes: [
      'Put it in front of the agent’s own command in the settings of the editor. stdin and stdout carry ACP and nothing else.',
      'With --connect it starts nothing: it leads the editor to an agent of a server that runs already (rehydrate serve).',
    ],
  },
  serve: {
    help: 'One host for many ACP clients of this machine: sessions that go on while clients come and go.',
    notes: [
      'A client connects to {url}/agents/NAME as to a bridge, or with rehydrate acp --connect. One that sends no Origin, as programs do, is always let in with the token; pages need --origin.',
    ],
  },
  'demo-agent': {
    help: 'A scripted agent, without a model, to try things on. It remembers facts that it is told.',
    words: [{ name: 'NAME', help: 'Which one, by its name in the playground. Default: native.', optional: true }],
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
    help: 'Where a new session works. Default: here. A session keeps its directory, unless that is gone: then this is its new one.',
    commands: TURNS,
  },
  {
    name: 'policy',
    value: 'POLICY',
    choices: ['auto', 'strict', 'transcript'],
    help: 'How the session may come back: auto (default) tries the agent’s own ways first, strict allows nothing else, transcript skips them.',
    commands: AGENTS,
  },
  {
    name: 'preamble',
    value: 'MODE',
    choices: ['inline', 'resource', 'file'],
    default: 'inline',
    help: 'How a transcript travels: in the text of the prompt, as an embedded resource where the agent takes it, or as a private file.',
    commands: AGENTS,
  },
  {
    name: 'protocol',
    value: 'VERSION',
    choices: ['v1', 'v2', 'newest'],
    help: 'The version of ACP that agents are spoken to in: v1 (default), v2, which is a draft still, or the newest that an agent speaks.',
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
    help: 'The answer to agents that ask for permission. Default: ask; without a terminal to ask on, that rejects and says so.',
    commands: TURNS,
  },
  { name: 'auth', value: 'METHOD', help: 'Sign in with this method of the agent first.', commands: TURNS },
  { name: 'mode', value: 'ID', help: 'Set the session’s mode first.', commands: TURNS },
  { name: 'set', value: 'KEY=VALUE', many: true, help: 'Set a configuration option of the session first.', commands: TURNS },
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
    help: 'End an agent after so long without use, until the next prompt; at most 2147483. Default: 0, never.',
    commands: ['acp', 'serve'],
  },
  {
    name: 'adopt',
    help: 'Also list the agent’s own sessions, and take each into the database when it is loaded.',
    commands: ['acp'],
  },
  {
    name: 'mcp',
    value: 'FILE',
    help: 'The session’s MCP servers, all of them: a JSON array as in ACP, or {"mcpServers": {…}}. Secret values are never stored: give the file again on each call.',
    commands: TURNS,
  },
  {
    name: 'idempotency-key',
    value: 'KEY',
    help: 'Makes the call safe to repeat: the same key and text give the stored result and send nothing.',
    commands: ['prompt'],
  },
  { name: 'session', value: 'NEW', help: 'What the new session is called. Default: a name is made.', commands: ['fork'] },
  { name: 'session', value: 'NEW', help: 'What the session is called here. Default: as in the file.', commands: ['import'] },
  { name: 'after', value: 'SEQ', range: [0], help: 'The last event that it has. Default: all of them.', commands: ['fork'] },
  { name: 'after', value: 'N', range: [0], help: 'Only events after this number.', commands: ['history'] },
  { name: 'limit', value: 'N', range: [1], help: 'At most so many. Default: everything.', commands: ['history'] },
  { name: 'budget', value: 'BYTES', range: [1], help: 'At most so many bytes. Default: 65536.', commands: ['transcript'] },
  { name: 'json', help: 'One JSON object a line on stdout.', commands: ['prompt', 'sessions', 'history', 'search'] },
  {
    name: 'agent',
    value: 'NAME=COMMAND',
    many: true,
    required: true,
    help: 'An agent to offer. COMMAND is split as a shell splits words; no shell runs.',
    commands: ['bridge', 'serve'],
  },
  {
    name: 'agent',
    value: 'NAME',
    help: 'The agent’s name in the record, by which its sessions are listed. Default: its program. With --connect: which of the server’s.',
    commands: ['acp'],
  },
  {
    name: 'connect',
    value: 'URL',
    help: 'The server’s address, ws://HOST:PORT, or the gateway URL of a RivetKit actor.',
    commands: ['acp'],
  },
  { name: 'token-file', value: 'FILE', help: 'Where the server’s token is.', commands: ['acp'] },
  {
    name: 'token-file',
    value: 'FILE',
    help: 'The token: read from there, or made and written there (mode 0600). Default: a new one for each run.',
    commands: ['serve'],
  },
  { name: 'host', value: 'HOST', default: '127.0.0.1', help: 'The address to listen on.', commands: ['bridge', 'serve'] },
  { name: 'port', value: 'N', range: [0, 65_535], help: 'The port. Default: a free one.', commands: ['bridge', 'serve'] },
  { name: 'cwd', value: 'DIR', help: 'Where the agents run. Default: here.', commands: ['bridge'] },
  { name: 'origin', value: 'URL', many: true, help: 'An exact origin whose pages may connect.', commands: ['bridge', 'serve'] },
  { name: 'allow-missing-origin', help: 'Also accept clients that are not browsers.', commands: ['bridge'] },
  {
    name: 'allow-mcp',
    help: 'Let clients, or the file, have agents start MCP servers by command.',
    commands: ['bridge', 'serve', 'import'],
  },
  { name: 'allow-remote', help: 'Allow a host that is not loopback.', commands: ['bridge', 'serve'] },
  { name: 'json', help: 'The first line of stdout is {"url","token","agents"}.', commands: ['bridge', 'serve'] },
  { name: 'json', help: 'The report as JSON.', commands: ['doctor'] },
  {
    name: 'timeout',
    value: 'SECONDS',
    range: [1, 3_600],
    default: '60',
    help: 'How long one answer of the agent may take; at most 3600, an hour.',
    commands: ['doctor'],
  },
  { name: 'auth', value: 'METHOD', help: 'Sign in with this method of the agent at each start.', commands: ['doctor'] },
  {
    name: 'protocol',
    value: 'VERSION',
    choices: ['v1', 'v2', 'newest'],
    help: 'The version of ACP to examine; the tier of --expect is then that version’s. Default: each that the agent speaks.',
    commands: ['doctor'],
  },
  { name: 'no-prompt', help: 'Prompt no model.', commands: ['doctor'] },
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
    help: 'Where it keeps its sessions: a directory, which it makes. Default: they live as long as it runs.',
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

/** Whether words may follow `--`, where other commands have the agent. */
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
  [EXIT.ok, 'the turn ended, or what was asked for was done'],
  [EXIT.error, 'any other error, a locked or unreadable database and lost output among them'],
  [EXIT.usage, 'usage: the call itself is wrong, or what an option or a word says'],
  [EXIT.notResumable, 'the session is not resumable, or that cannot be told'],
  [EXIT.busy, 'the session is busy, or a turn of it is running'],
  [EXIT.unknown, 'the outcome of the turn is unknown, a cancelled one that did not end in time too; it is not sent again'],
  [EXIT.hangup, 'ended by SIGHUP, the turn interrupted'],
  [EXIT.cancelled, 'cancelled by Ctrl-C; a second one kills the agent'],
  [EXIT.terminated, 'ended by SIGTERM, the turn interrupted'],
];

/** Optional peers, none of which the command uses. */
export const OPTIONAL_PACKAGES: readonly (readonly [name: string, use: string])[] = [
  ['sql.js', 'acp-rehydrate/sqljs, a database in a browser tab: npm install sql.js'],
  ['rivetkit', 'acp-rehydrate/rivetkit, sessions in RivetKit actors: npm install rivetkit'],
];

/** Of help, at most. */
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
    'rehydrate help COMMAND says more about one of them.',
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

/** `--set KEY=VALUE…`: an ellipsis marks what may be repeated. */
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
