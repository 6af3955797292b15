/** How real agents are started and signed in, beside what the doctor's records say of them; the guide “Use it with your agent” shows both. */
export interface AgentHelp {
  /** As in the records of content/data/compat, and as people call it. */
  readonly name: string;
  readonly package: string;
  /** What goes after the `--`, once the package is installed. */
  readonly command: string;
  /** The variable that holds a key, where the runs here were signed in by one. */
  readonly key?: string;
  /** What was seen of it, each in a sentence. */
  readonly oddities?: readonly string[];
}

export const AGENTS: readonly AgentHelp[] = [
  {
    name: 'Claude agent',
    package: '@agentclientprotocol/claude-agent-acp',
    command: 'claude-agent-acp',
    key: 'ANTHROPIC_API_KEY',
    oddities: [
      'It takes 6 to 13 seconds to start.',
      'With a gateway in front of its model it adds a notice about it to each answer; the log keeps it as a message of its own.',
      'Session ids that are no UUIDs are answered with an internal error; ours never are sent to it.',
    ],
  },
  {
    name: 'Codex',
    package: '@agentclientprotocol/codex-acp',
    command: 'codex-acp',
    key: 'OPENAI_API_KEY',
    oddities: [
      'It puts a prompt that was interrupted in front of the next one.',
      'It tells of its gateway in a notice, during `session/resume` too.',
    ],
  },
  { name: 'OpenCode', package: 'opencode-ai', command: 'opencode acp' },
  {
    name: 'Gemini CLI',
    package: '@google/gemini-cli',
    command: 'gemini --acp',
    key: 'GEMINI_API_KEY',
    oddities: [
      'It wipes a session that is loaded in the clock minute in which it was made or last loaded; the record then brings it back.',
    ],
  },
  {
    name: 'Qwen Code',
    package: '@qwen-code/qwen-code',
    command: 'qwen --acp',
    key: 'OPENAI_API_KEY',
    oddities: ['It does not keep an embedded resource past its next own resume; preambles are `inline` by default for that reason.'],
  },
  {
    name: 'GitHub Copilot',
    package: '@github/copilot',
    command: 'copilot --acp --stdio',
    oddities: ['It does not keep an embedded resource past its next own resume; preambles are `inline` by default for that reason.'],
  },
  {
    name: 'Kimi Code',
    package: '@moonshot-ai/kimi-code',
    command: 'kimi acp',
    key: 'KIMI_MODEL_API_KEY',
    oddities: ['It puts a prompt that was interrupted in front of the next one.'],
  },
  { name: 'pi', package: 'pi-acp', command: 'pi-acp', oddities: ['Its banner comes as a message, at the beginning of a session.'] },
  { name: 'Kilo Code', package: '@kilocode/cli', command: 'kilo acp' },
  { name: 'Nanocoder', package: '@nanocollective/nanocoder', command: 'nanocoder --acp' },
  { name: 'Cline', package: 'cline', command: 'cline --acp' },
  { name: 'Factory Droid', package: 'droid', command: 'droid exec --output-format acp' },
  { name: 'Qoder CLI', package: '@qoder-ai/qodercli', command: 'qodercli --acp' },
  { name: 'Auggie', package: '@augmentcode/auggie', command: 'auggie --acp' },
];
