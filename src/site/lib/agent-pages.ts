/** A page for each agent that was examined, from its record. */
import agents from '../../../content/data/agents.json';
import { blocks } from './api-items.ts';
import type { MadePage } from './api-pages.ts';
import { agentSlug, choicesOf, compatRecords, type Choices, type CompatRecord, type InHost } from './compat-records.ts';

/** Beside the record: the variable whose key signed the runs in, and what was seen that no check asks for. */
const SEEN: Readonly<Record<string, { readonly key?: string; readonly oddities?: readonly string[] }>> = agents;

function bodyOf(record: CompatRecord): string {
  const choices = choicesOf(record);
  const failed = record.report.checks.filter(({ outcome }) => outcome === 'fail').map(({ detail }) => text(detail));
  return blocks(
    shell(`npm install -g ${record.package}\nrehydrate chat --session work -- ${record.command}`),
    `In [an editor](/guides/editors/any/), the command is \`rehydrate acp -- ${record.command}\`.`,
    '## How its sessions come back',
    comesBack(record),
    '## Sign in',
    signIn(record, choices),
    '## Modes and options',
    settings(choices),
    '## What it accepts and offers',
    takes(record),
    '## What to know',
    list([...failed, ...(SEEN[record.package]?.oddities ?? [])]) || 'The tests found nothing.',
    '## Evidence',
    evidence(record),
  );
}

function comesBack({ report, host, hostV2, model, note, version, date }: CompatRecord): string {
  return blocks(
    `${text(report.verdict.summary)} Version ${version} was tested on ${date}. ${model ? 'A scripted model answered its prompts.' : ''} ${text(note ?? '')}`,
    host ? inHost(host) : '',
    host && hostV2 ? blocks('In ACP version 2:', inHost(hostV2)) : '',
  );
}

function inHost({ steps, preambleReachedModel, leftovers }: InHost): string {
  const rows = steps.slice(1).map(({ step, knows, report: came, answer }) => {
    const how = came ? `tier \`${came.tier}\`` : `\`${answer.split(':')[0]}\``;
    return [step, how, knows ? '✓ yes' : came ? '✗ no' : '– not asked'];
  });
  const record = preambleReachedModel ? 'The record reached its model' : 'The record did not reach its model';
  return blocks(
    table(['What happened in a Rehydrate host', 'It came back by', 'It knew what it was told'], rows),
    `${record}. Processes left behind: ${leftovers}.`,
  );
}

function signIn(record: CompatRecord, choices: Choices | null): string {
  const { key } = SEEN[record.package] ?? {};
  const methods = choices?.authMethods ?? [];
  const refused = record.report.checks.find(({ id }) => id === 'new')?.detail ?? '';
  return blocks(
    'Sign in with its own program first, if it has a login.',
    key ? `The tests signed in with \`${key}\` in the environment; \`--env ${key}\` makes sure that it is set.` : '',
    methods.length > 0 ? 'It offers these methods over ACP:' : '',
    list(methods.map((method) => choice(`--auth ${method.id}`, method))),
    choices ? '' : text(refused),
  );
}

function settings(choices: Choices | null): string {
  if (!choices) return 'It lists them only when you are signed in. A wrong name is answered with the valid ones.';
  const { modes, options } = choices;
  const rows = [
    ...modes.map((mode) => choice(`--mode ${mode.id}`, mode)),
    ...options
      .filter(({ category }) => category !== 'mode' || modes.length === 0)
      .map((option) => {
        const values = option.options.map(({ value }) => `\`${value}\``).join(', ');
        const others = values.includes('`off`') || option.options.length < 2 ? '' : ' and perhaps others';
        return `${choice(`--set ${option.id}=…`, option)}: ${values || 'on or off'}${others}`;
      }),
  ];
  if (rows.length === 0) return 'It has none.';
  return blocks(
    list(rows),
    'They are [set again](/reference/advanced/architecture/sessions-and-persistence/resume-decision/#what-is-set-again) after each wake.',
  );
}

function takes({ report: { capabilities } }: CompatRecord): string {
  const having = (
    always: string,
    of: Readonly<Record<string, unknown>> = {},
    ...names: readonly (readonly [field: string, word?: string])[]
  ) => [always, ...names.map(([field, word = field]) => (of[field] ? word : ''))].filter(Boolean).join(', ') || 'nothing';
  const { loadSession, mcpCapabilities, promptCapabilities, sessionCapabilities } = capabilities ?? {};
  return table(
    ['What', 'As it advertises'],
    [
      ['MCP servers', having('programs', mcpCapabilities, ['http'], ['sse'])],
      ['In a prompt', having('text', promptCapabilities, ['image', 'images'], ['audio'], ['embeddedContext', 'resources'])],
      [
        'For sessions',
        having(loadSession ? 'load' : '', { ...sessionCapabilities }, ['resume'], ['list'], ['fork'], ['close'], ['delete']),
      ],
    ],
  );
}

/** In a sign and in a word: neither is told by colour alone. */
export const SIGNS = { pass: ['✓', 'yes'], fail: ['✗', 'no'], skip: ['–', 'not tried'] } as const;

function evidence({ command, report: { checks, protocolVersion, v2 } }: CompatRecord): string {
  const rows = [...Map.groupBy(checks, ({ outcome, detail }) => `${outcome} ${detail}`).values()].map((same) => [
    same.map(({ id }) => `\`${id}\``).join(', '),
    SIGNS[same[0]!.outcome].join(' '),
    text(same[0]!.detail),
  ]);
  const otherwise = v2 ? v2.checks.filter(({ id }) => v2.differs.includes(id)) : [];
  return blocks(
    v2
      ? `In ACP version 1, and in [version 2](/guides/acp-v2/#what-real-agents-do) as well: ${text(v2.verdict.summary)} ${otherwise.length > 0 ? 'These results differ there:' : 'All results are the same.'}`
      : `In ACP version ${protocolVersion}.`,
    list(otherwise.map(({ id, outcome, detail }) => `\`${id}\`: ${SIGNS[outcome].join(' ')}. ${text(detail)}`)),
    'To test your own installation:',
    shell(`npx -p acp-rehydrate rehydrate doctor -- ${command}`),
    table(['Check', 'Passed', 'What was seen'], rows),
    '[Make your agent resumable](/guides/agent/#test-it) explains each check. [Agent compatibility](/reference/compatibility/) shows all agents side by side.',
  );
}

function choice(code: string, { name, description }: { readonly name: string; readonly description?: string | null }): string {
  return `\`${code}\` – ${text(name)}${description ? `: ${text(description)}` : ''}`;
}

const list = (items: readonly string[]) => items.map((item) => `- ${item}`).join('\n');
const shell = (code: string) => `\`\`\`sh\n${code}\n\`\`\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A program's words as plain text in Markdown; options, JSON and ids stay as they are written. */
function text(said: string): string {
  return said
    .split(/(--[a-z]+|\{".*?\}|\b(?=[\w-]*\d)[\w-]{16,})/)
    .map((part, i) => (i % 2 ? `\`${part}\`` : part.replace(/[\\`*_<>[\]|~#]/g, '\\$&').replace(/\s+/g, ' ')))
    .join('');
}

export const agentPages: readonly MadePage[] = compatRecords.map((record) => ({
  id: agentSlug(record),
  title: record.name,
  description: `Durable ACP sessions with ${record.name}: the command, sign-in, modes and options, how its sessions come back after a crash, and the evidence.`,
  file: 'src/site/lib/agent-pages.ts',
  body: bodyOf(record),
}));
