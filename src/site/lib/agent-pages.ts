/** A page for each agent that was examined: how to use it with Rehydrate, how it comes back, and the evidence; from its record. */
import type { MadePage } from './api-pages.ts';
import { agentSlug, choicesOf, compatRecords, type Choices, type CompatRecord, type InHost } from './compat-records.ts';

/** The variable that holds a key, where the runs were signed in by one, and what was seen that no check asks for. */
const SEEN: Readonly<Record<string, { readonly key?: string; readonly oddities?: readonly string[] }>> = {
  '@agentclientprotocol/claude-agent-acp': {
    key: 'ANTHROPIC_API_KEY',
    oddities: [
      'It takes 6 to 13 seconds to start.',
      'With a gateway in front of its model it adds a notice about it to each answer; the log keeps that as a message of its own.',
    ],
  },
  '@agentclientprotocol/codex-acp': {
    key: 'OPENAI_API_KEY',
    oddities: [
      'It puts a prompt that was interrupted in front of the next one.',
      'It tells of its gateway in a notice, during `session/resume` too.',
    ],
  },
  '@google/gemini-cli': { key: 'GEMINI_API_KEY' },
  '@qwen-code/qwen-code': { key: 'OPENAI_API_KEY' },
  '@moonshot-ai/kimi-code': { key: 'KIMI_MODEL_API_KEY', oddities: ['It puts a prompt that was interrupted in front of the next one.'] },
  'pi-acp': { oddities: ['Its banner comes as a message, at the beginning of a session.'] },
};

export function agentPages(): readonly MadePage[] {
  return compatRecords.map((record) => ({
    id: agentSlug(record),
    title: record.name,
    description: `${record.name} in sessions that survive it: the command, signing in, modes and options, how it comes back, and the evidence.`,
    file: 'src/site/lib/agent-pages.ts',
    body: bodyOf(record),
  }));
}

function bodyOf(record: CompatRecord): string {
  const choices = choicesOf(record);
  return [
    `\`\`\`sh\nnpm install -g ${record.package}\nrehydrate chat --session work -- ${record.command}\n\`\`\``,
    `In an editor the command is \`rehydrate acp -- ${record.command}\`: see [in any editor](/guides/editors/any/).`,
    '## How it comes back',
    comesBack(record),
    '## Sign in',
    signIn(record, choices),
    '## Modes and options',
    settings(choices),
    '## What it takes',
    takes(record),
    '## What to know',
    list(oddities(record)) || 'Nothing that the examination found.',
    '## The evidence',
    evidence(record),
  ].join('\n\n');
}

function comesBack({ report, host, hostV2, model, note, version, date }: CompatRecord): string {
  const said = `${text(report.verdict.summary)} Examined in version ${version} on ${date}. ${model ? 'A scripted model answered its prompts.' : ''} ${text(note ?? '')}`;
  if (!host) return said;
  return [said, inHost(host), ...(hostV2 ? ['The same in ACP version 2:', inHost(hostV2)] : [])].join('\n\n');
}

function inHost(host: InHost): string {
  const rows = host.steps.slice(1).map(({ step, knows, report: came, answer }) => {
    const how = came ? `tier \`${came.tier}\`` : `\`${answer.split(':')[0]}\``;
    return [step, how, knows ? '✓ yes' : came ? '✗ no' : '– not asked'];
  });
  const record = host.preambleReachedModel ? 'What the record held reached its model' : 'The record did not reach its model';
  return `${table(['What happened in our host', 'It came back by', 'It knew what it was told'], rows)}\n\n${record}. Processes left behind: ${host.leftovers}.`;
}

function signIn(record: CompatRecord, choices: Choices | null): string {
  const { key } = SEEN[record.package] ?? {};
  const refused = record.report.checks.find(({ id }) => id === 'new')?.detail;
  return [
    'Sign in with its own program first, if it has a login.',
    key ? `The examination was signed in by \`${key}\` in the environment; \`--env ${key}\` says that it must be there.` : '',
    choices && choices.authMethods.length > 0 ? 'Over ACP it names these methods:' : '',
    list((choices?.authMethods ?? []).map((method) => choice(`--auth ${method.id}`, method))),
    !choices && refused ? text(refused) : '',
  ]
    .filter(Boolean)
    .join('\n\n');
}

function settings(choices: Choices | null): string {
  if (!choices) return 'It tells them only to those who are signed in. A wrong name is answered with those there are.';
  const rows = [
    ...choices.modes.map((mode) => choice(`--mode ${mode.id}`, mode)),
    ...choices.options
      .filter(({ category }) => category !== 'mode' || choices.modes.length === 0)
      .map((option) => {
        const values = option.options.map(({ value }) => `\`${value}\``).join(', ');
        return `${choice(`--set ${option.id}=…`, option)}: ${values || 'on or off'}${values.includes('`off`') || option.options.length < 2 ? '' : ' and perhaps others'}`;
      }),
  ];
  return rows.length === 0
    ? 'It offers none.'
    : `${list(rows)}\n\nThey are [set again](/reference/advanced/architecture/sessions-and-persistence/resume-decision/#what-is-set-again) after each wake.`;
}

function takes({ report: { capabilities } }: CompatRecord): string {
  const { mcpCapabilities = {}, promptCapabilities = {}, sessionCapabilities = {} } = capabilities ?? {};
  const having = (of: Readonly<Record<string, unknown>>, names: Readonly<Record<string, string>>) =>
    Object.entries(names).flatMap(([name, words]) => (of[name] ? [words] : []));
  return table(
    ['What', 'By its own word'],
    [
      ['MCP servers', ['programs', ...having(mcpCapabilities, { http: 'http', sse: 'sse' })].join(', ')],
      [
        'In a prompt',
        ['text', ...having(promptCapabilities, { image: 'images', audio: 'audio', embeddedContext: 'resources' })].join(', '),
      ],
      [
        'Of its sessions',
        [
          ...(capabilities?.loadSession ? ['load'] : []),
          ...having(sessionCapabilities, { resume: 'resume', list: 'list', fork: 'fork', close: 'close', delete: 'delete' }),
        ].join(', ') || 'nothing',
      ],
    ],
  );
}

function oddities({ package: name, report }: CompatRecord): readonly string[] {
  const failed = report.checks.filter(({ outcome }) => outcome === 'fail').map(({ detail }) => text(detail));
  return [...failed, ...(SEEN[name]?.oddities ?? [])];
}

/** What an outcome is, in a sign and in a word: neither is told by colour alone. */
export const SIGNS = { pass: ['✓', 'yes'], fail: ['✗', 'no'], skip: ['–', 'not tried'] } as const;

function evidence({ command, report }: CompatRecord): string {
  const rows = [...Map.groupBy(report.checks, ({ outcome, detail }) => `${outcome} ${detail}`).values()].map((same) => [
    same.map(({ id }) => `\`${id}\``).join(', '),
    SIGNS[same[0]!.outcome].join(' '),
    text(same[0]!.detail),
  ]);
  const { v2 } = report;
  const otherwise = (v2?.checks ?? []).filter(({ id }) => v2?.differs.includes(id));
  return [
    v2
      ? `In ACP version 1, and in [version 2](/guides/acp-v2/#what-real-agents-do) as well: ${text(v2.verdict.summary)} ${otherwise.length > 0 ? 'What came out otherwise there:' : 'All checks came out alike.'}`
      : `In ACP version ${report.protocolVersion}.`,
    list(otherwise.map(({ id, outcome, detail }) => `\`${id}\`: ${SIGNS[outcome].join(' ')}. ${text(detail)}`)),
    `The same examination of yours:\n\n\`\`\`sh\nnpx -p acp-rehydrate rehydrate doctor -- ${command}\n\`\`\``,
    table(['Check', 'Passed', 'What was seen'], rows),
    'What each asks: [make your agent resumable](/guides/agent/#test-it). All agents side by side: [agent compatibility](/reference/compatibility/).',
  ]
    .filter(Boolean)
    .join('\n\n');
}

function choice(code: string, { name, description }: { readonly name: string; readonly description?: string | null }): string {
  return `\`${code}\` – ${text(name)}${description ? `: ${text(description)}` : ''}`;
}

const list = (items: readonly string[]) => items.map((item) => `- ${item}`).join('\n');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** What was said by a program, as plain text in Markdown; options, JSON and ids in it stay as they are written. */
function text(said: string): string {
  return said
    .split(/(--[a-z]+|\{".*?\}|\b(?=[\w-]*\d)[\w-]{16,})/)
    .map((part, i) => (i % 2 ? `\`${part}\`` : part.replace(/[\\`*_<>[\]|~#]/g, '\\$&').replace(/\s+/g, ' ')))
    .join('');
}
