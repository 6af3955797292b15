/**
 * Every subcommand of `rehydrate` with its options: the one table that the parser, the help and the
 * documentation are made from.
 */

export interface OptionSpec {
  readonly name: string;
  /** What stands for the value in the help; an option without it is a switch. */
  readonly value?: string;
  /** May be given several times, one value each. */
  readonly many?: true;
  readonly choices?: readonly string[];
  /** The value is a whole number of at least this. */
  readonly atLeast?: number;
  /** And of at most this, where it is bounded: a timer of more than 2³¹ − 1 ms would be one of 1 ms. */
  readonly atMost?: number;
  readonly description: string;
}

export interface CommandSpec {
  readonly name: CommandName;
  readonly summary: string;
  /** Words that stand before `--`, in order; all are required. */
  readonly words: readonly { readonly name: string; readonly description: string }[];
  /** Whether `-- AGENT [ARG…]` is required. */
  readonly agent: boolean;
  readonly options: readonly OptionSpec[];
  /** What else the help should say. */
  readonly notes?: readonly string[];
}

/** Whether `--` ends the options and words may follow it, as no agent does. */
export function takesWordsBehind(spec: CommandSpec): boolean {
  return !spec.agent && spec.words.length > 0;
}

/** What `--` does in a command that `takesWordsBehind` it. */
export function endOfOptions(spec: CommandSpec): string {
  return `Ends the options: ${spec.words.map((word) => word.name).join(' ')} behind it may start with dashes.`;
}

export const COMMAND_NAMES = ['prompt', 'chat', 'sessions', 'history', 'transcript', 'delete', 'bridge', 'doctor', 'acp'] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

const DB: OptionSpec = {
  name: 'db',
  value: 'FILE',
  description: 'The database. Default: $REHYDRATE_DB, else rehydrate/sessions.sqlite in the XDG data directory.',
};

const SESSION_OPTIONS: readonly OptionSpec[] = [
  DB,
  { name: 'session', value: 'ID', description: 'The session. Default: main.' },
  { name: 'cwd', value: 'DIR', description: 'Where a new session works. Default: here. A session keeps its directory.' },
  {
    name: 'policy',
    value: 'POLICY',
    choices: ['auto', 'strict', 'transcript'],
    description:
      'How the session may come back: auto (default) tries the agent’s own ways first, strict allows nothing else, transcript skips them.',
  },
  {
    name: 'preamble',
    value: 'MODE',
    choices: ['resource', 'inline', 'file'],
    description: 'How a transcript travels. Default: resource where the agent takes it, else inline.',
  },
  {
    name: 'env',
    value: 'NAME',
    many: true,
    description: 'An environment variable that must be set. Its value is never stored and is redacted.',
  },
  {
    name: 'permission',
    value: 'RULE',
    choices: ['ask', 'allow', 'reject'],
    description: 'What agents are answered that ask for permission. Default: ask; without a terminal to ask on, that rejects and says so.',
  },
  { name: 'auth', value: 'METHOD', description: 'Sign in with this method of the agent first.' },
  { name: 'mode', value: 'ID', description: 'Set the session’s mode first.' },
  { name: 'set', value: 'KEY=VALUE', many: true, description: 'Set a configuration option of the session first.' },
  {
    name: 'timeout',
    value: 'SECONDS',
    atLeast: 1,
    atMost: 86_400,
    description: 'How long the agent may take to start, and to open a session. Default: 60; at most 86400, a day.',
  },
  {
    name: 'mcp',
    value: 'FILE',
    description:
      'MCP servers for a new session: a JSON array as in ACP, or {"mcpServers": {…}}. Secret values are never stored: give the file again on each call.',
  },
];

const JSON_LINES: OptionSpec = { name: 'json', description: 'One JSON object a line on stdout.' };

export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  prompt: {
    name: 'prompt',
    summary: 'One turn of a durable session; the reply on stdout.',
    words: [{ name: 'TEXT', description: 'The prompt; - reads it from stdin.' }],
    agent: true,
    options: [
      ...SESSION_OPTIONS,
      {
        name: 'idempotency-key',
        value: 'KEY',
        description: 'Makes the call safe to repeat: the same key and text give the stored result and send nothing.',
      },
      JSON_LINES,
    ],
    notes: [
      'The session is made when there is none of that name. Every call is a process of its own, so every call is a wake.',
      'Ctrl-C cancels the turn and waits for the agent; a second Ctrl-C kills it.',
    ],
  },
  chat: {
    name: 'chat',
    summary: 'The same, interactive.',
    words: [],
    agent: true,
    options: SESSION_OPTIONS,
    notes: ['Ctrl-C cancels the turn, not the program. Ctrl-D or /quit leaves. /help lists the commands.'],
  },
  sessions: {
    name: 'sessions',
    summary: 'The sessions of a database, the last used first.',
    words: [],
    agent: false,
    options: [DB, JSON_LINES],
  },
  history: {
    name: 'history',
    summary: 'The events of a session.',
    words: [{ name: 'ID', description: 'The session.' }],
    agent: false,
    options: [
      DB,
      { name: 'after', value: 'N', atLeast: 0, description: 'Only events after this number.' },
      { name: 'limit', value: 'N', atLeast: 1, description: 'At most so many. Default: everything.' },
      JSON_LINES,
    ],
  },
  transcript: {
    name: 'transcript',
    summary: 'A session as an agent would be given it to read.',
    words: [{ name: 'ID', description: 'The session.' }],
    agent: false,
    options: [DB, { name: 'budget', value: 'BYTES', atLeast: 1, description: 'At most so many bytes. Default: 65536.' }],
  },
  delete: {
    name: 'delete',
    summary: 'Removes a session and its whole record.',
    words: [{ name: 'ID', description: 'The session.' }],
    agent: false,
    options: [DB],
  },
  bridge: {
    name: 'bridge',
    summary: 'Lets pages of a browser reach agents on this machine.',
    words: [],
    agent: false,
    options: [
      {
        name: 'agent',
        value: 'NAME=COMMAND',
        many: true,
        description: 'An agent to offer. COMMAND is split as a shell splits words; no shell runs.',
      },
      { name: 'host', value: 'HOST', description: 'The address to listen on. Default: 127.0.0.1.' },
      { name: 'port', value: 'N', atLeast: 0, description: 'The port. Default: a free one.' },
      { name: 'cwd', value: 'DIR', description: 'Where the agents run. Default: here.' },
      { name: 'origin', value: 'URL', many: true, description: 'An exact origin whose pages may connect.' },
      { name: 'allow-missing-origin', description: 'Also accept clients that are no browsers.' },
      { name: 'allow-mcp', description: 'Let clients have agents start MCP servers by command.' },
      { name: 'allow-remote', description: 'Allow a host that is not loopback.' },
      { name: 'json', description: 'The first line of stdout is {"url","token","agents"}.' },
    ],
  },
  doctor: {
    name: 'doctor',
    summary: 'Tests how well an agent resumes.',
    words: [],
    agent: true,
    options: [
      { name: 'json', description: 'The report as JSON.' },
      {
        name: 'timeout',
        value: 'SECONDS',
        atLeast: 1,
        atMost: 3_600,
        description: 'How long one answer of the agent may take. Default: 60; at most 3600, an hour.',
      },
      { name: 'no-prompt', description: 'Prompt no model.' },
    ],
  },
  acp: {
    name: 'acp',
    summary: 'The agent, for an editor or any other ACP client, with sessions that survive it.',
    words: [],
    agent: true,
    options: SESSION_OPTIONS.filter(({ name }) => ['db', 'policy', 'preamble', 'env', 'timeout'].includes(name)),
    notes: ['Put it in front of the agent’s own command in the settings of the editor. stdin and stdout carry ACP and nothing else.'],
  },
};

/** What the exit codes mean, for the help and the documentation. */
export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'the turn ended'],
  [1, 'any other error'],
  [2, 'usage: the call itself is wrong'],
  [3, 'the session is not resumable, or that cannot be told'],
  [4, 'the session is busy'],
  [5, 'the outcome of the turn is unknown; it is not sent again'],
  [129, 'ended by SIGHUP, the turn interrupted'],
  [130, 'cancelled by Ctrl-C'],
  [143, 'ended by SIGTERM, the turn interrupted'],
];

/** What the package leaves to whoever needs it: optional peers, none of which the command uses. */
export const OPTIONAL_PACKAGES: readonly (readonly [name: string, use: string])[] = [
  ['sql.js', 'acp-rehydrate/sqljs, a database in a browser tab: npm install sql.js'],
  ['rivetkit', 'acp-rehydrate/rivetkit, sessions in RivetKit actors: npm install rivetkit'],
];
