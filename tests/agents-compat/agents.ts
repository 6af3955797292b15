/** The agents that `npm run compat` examines: how each is started, and how it is told about the model server. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const BIN = path.join(import.meta.dirname, 'node_modules/.bin');
const require = createRequire(import.meta.url);

export interface CompatAgent {
  /** The name people know. */
  readonly name: string;
  /** Its npm package, pinned in package.json. */
  readonly package: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Tells it to use the model server; without it no prompt is sent, as that would need an account. */
  readonly model?: (home: string, baseUrl: string) => Promise<Readonly<Record<string, string>>>;
  /** What a reader should know of the set-up. */
  readonly note?: string;
}

async function write(home: string, file: string, content: unknown): Promise<void> {
  const full = path.join(home, file);
  await mkdir(path.dirname(full), { recursive: true });
  await writeFile(full, typeof content === 'string' ? content : JSON.stringify(content));
}

function opencode(): string {
  const name = `opencode-${process.platform}-${process.arch}${process.arch === 'x64' ? '-baseline' : ''}`;
  return path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin/opencode');
}

export const AGENTS: readonly CompatAgent[] = [
  {
    name: 'OpenCode',
    package: 'opencode-ai',
    command: opencode(),
    args: ['acp'],
    async model(home, baseUrl) {
      await write(home, '.config/opencode/opencode.json', {
        model: 'mock/mock',
        small_model: 'mock/mock',
        autoupdate: false,
        share: 'disabled',
        provider: {
          mock: {
            npm: '@ai-sdk/openai-compatible',
            name: 'Mock',
            options: { baseURL: baseUrl, apiKey: 'none' },
            models: { mock: { name: 'Mock', limit: { context: 100_000, output: 10_000 } } },
          },
        },
      });
      return { OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_DEFAULT_PLUGINS: '1' };
    },
  },
  {
    name: 'pi',
    package: 'pi-acp',
    command: path.join(BIN, 'pi-acp'),
    args: [],
    note: 'Adapter for the pi coding agent (@earendil-works/pi-coding-agent).',
    async model(home, baseUrl) {
      await write(home, '.pi/agent/models.json', {
        providers: {
          mock: {
            baseUrl,
            api: 'openai-completions',
            apiKey: 'none',
            models: [
              {
                id: 'mock',
                name: 'Mock',
                reasoning: false,
                input: ['text'],
                cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
                contextWindow: 100_000,
                maxTokens: 10_000,
              },
            ],
          },
        },
      });
      await write(home, '.pi/agent/settings.json', { defaultProvider: 'mock', defaultModel: 'mock' });
      return {};
    },
  },
  {
    name: 'Qwen Code',
    package: '@qwen-code/qwen-code',
    command: path.join(BIN, 'qwen'),
    args: ['--acp'],
    async model(home, baseUrl) {
      await write(home, '.qwen/settings.json', {
        security: { auth: { selectedType: 'openai' } },
        model: { name: 'mock' },
        privacy: { usageStatisticsEnabled: false },
        telemetry: { enabled: false },
      });
      return { OPENAI_API_KEY: 'none', OPENAI_BASE_URL: baseUrl, OPENAI_MODEL: 'mock' };
    },
  },
  {
    name: 'Claude agent',
    package: '@agentclientprotocol/claude-agent-acp',
    command: path.join(BIN, 'claude-agent-acp'),
    args: [],
    note: 'Without an account: nothing that needs a model was tried.',
  },
  {
    name: 'Codex',
    package: '@zed-industries/codex-acp',
    command: path.join(BIN, 'codex-acp'),
    args: [],
    note: 'Without an account: nothing that needs a model was tried.',
  },
  {
    name: 'Gemini CLI',
    package: '@google/gemini-cli',
    command: path.join(BIN, 'gemini'),
    args: ['--acp'],
    note: 'Without an account: nothing that needs a model was tried.',
  },
];
