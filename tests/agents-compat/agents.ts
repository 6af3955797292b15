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
  /** Tells it to use the model at this origin; without it no prompt is sent, as that would need an account. */
  readonly model?: (home: string, url: string) => Promise<Readonly<Record<string, string>>>;
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

/** What OpenCode, and what grew from it, is told of the model. */
const opencodeConfig = (url: string) => ({
  model: 'mock/mock',
  small_model: 'mock/mock',
  autoupdate: false,
  share: 'disabled',
  provider: {
    mock: {
      npm: '@ai-sdk/openai-compatible',
      name: 'Mock',
      options: { baseURL: `${url}/v1`, apiKey: 'none' },
      models: { mock: { name: 'Mock', limit: { context: 100_000, output: 10_000 } } },
    },
  },
});

export const AGENTS: readonly CompatAgent[] = [
  {
    name: 'OpenCode',
    package: 'opencode-ai',
    command: opencode(),
    args: ['acp'],
    async model(home, url) {
      await write(home, '.config/opencode/opencode.json', opencodeConfig(url));
      return { OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_DEFAULT_PLUGINS: '1' };
    },
  },
  {
    name: 'pi',
    package: 'pi-acp',
    command: path.join(BIN, 'pi-acp'),
    args: [],
    note: 'Adapter for the pi coding agent (@earendil-works/pi-coding-agent).',
    async model(home, url) {
      await write(home, '.pi/agent/models.json', {
        providers: {
          mock: {
            baseUrl: `${url}/v1`,
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
    async model(home, url) {
      await write(home, '.qwen/settings.json', {
        security: { auth: { selectedType: 'openai' } },
        model: { name: 'mock' },
        privacy: { usageStatisticsEnabled: false },
        telemetry: { enabled: false },
      });
      return { OPENAI_API_KEY: 'none', OPENAI_BASE_URL: `${url}/v1`, OPENAI_MODEL: 'mock' };
    },
  },
  {
    name: 'Claude agent',
    package: '@agentclientprotocol/claude-agent-acp',
    command: path.join(BIN, 'claude-agent-acp'),
    args: [],
    async model(_home, url) {
      return { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'dummy', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' };
    },
  },
  {
    name: 'Codex',
    package: '@agentclientprotocol/codex-acp',
    command: path.join(BIN, 'codex-acp'),
    args: [],
    async model(home, url) {
      await write(
        home,
        '.codex/config.toml',
        `model = "mock"\nmodel_provider = "mock"\n\n[model_providers.mock]\nname = "Mock"\nbase_url = "${url}/v1"\nwire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n`,
      );
      return { OPENAI_API_KEY: 'dummy' };
    },
  },
  {
    name: 'Gemini CLI',
    package: '@google/gemini-cli',
    command: path.join(BIN, 'gemini'),
    args: ['--acp'],
    async model(home, url) {
      await write(home, '.gemini/settings.json', {
        security: { auth: { selectedType: 'gemini-api-key' } },
        model: { name: 'gemini-2.5-flash' },
        privacy: { usageStatisticsEnabled: false },
      });
      return { GEMINI_API_KEY: 'dummy', GOOGLE_GEMINI_BASE_URL: url };
    },
  },
  {
    name: 'Kimi Code',
    package: '@moonshot-ai/kimi-code',
    command: path.join(BIN, 'kimi'),
    args: ['acp'],
    async model(_home, url) {
      return { KIMI_MODEL_NAME: 'mock', KIMI_MODEL_API_KEY: 'dummy', KIMI_MODEL_PROVIDER_TYPE: 'openai', KIMI_MODEL_BASE_URL: `${url}/v1` };
    },
  },
  {
    name: 'GitHub Copilot',
    package: '@github/copilot',
    command: path.join(BIN, 'copilot'),
    args: ['--acp', '--stdio'],
    async model(_home, url) {
      return {
        COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
        COPILOT_PROVIDER_TYPE: 'openai',
        COPILOT_PROVIDER_API_KEY: 'dummy',
        COPILOT_MODEL: 'mock',
        COPILOT_OFFLINE: 'true',
      };
    },
  },
  {
    name: 'Kilo Code',
    package: '@kilocode/cli',
    command: path.join(BIN, 'kilo'),
    args: ['acp'],
    async model(home, url) {
      await write(home, '.config/kilo/kilo.json', opencodeConfig(url));
      return {};
    },
  },
  {
    name: 'Nanocoder',
    package: '@nanocollective/nanocoder',
    command: path.join(BIN, 'nanocoder'),
    args: ['--acp'],
    async model(_home, url) {
      return {
        NANOCODER_PROVIDERS: JSON.stringify([{ name: 'mock', baseUrl: `${url}/v1`, apiKey: 'dummy', models: ['mock'] }]),
        NANOCODER_TRUST_DIRECTORY: '1',
      };
    },
  },
  {
    name: 'Cline',
    package: 'cline',
    command: path.join(BIN, 'cline'),
    args: ['--acp'],
    note: 'Without an account: nothing that needs a model was tried.',
  },
  {
    name: 'Factory Droid',
    package: 'droid',
    command: path.join(BIN, 'droid'),
    args: ['exec', '--output-format', 'acp'],
    note: 'Without an account: nothing that needs a model was tried.',
  },
  {
    name: 'Qoder CLI',
    package: '@qoder-ai/qodercli',
    command: path.join(BIN, 'qodercli'),
    args: ['--acp'],
    note: 'Without an account: nothing that needs a model was tried.',
  },
  {
    name: 'Auggie',
    package: '@augmentcode/auggie',
    command: path.join(BIN, 'auggie'),
    args: ['--acp'],
    note: 'Without an account: nothing that needs a model was tried.',
  },
];
