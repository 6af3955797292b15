/** The real OpenCode program, in a home and a working directory of its own, with the model server for a model. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** The program itself, not its JavaScript launcher: the launcher needs an install script we do not run. */
export function opencodeProgram(): string {
  const arch = os.arch() === 'arm64' ? 'arm64' : 'x64';
  // The baseline build needs no AVX2, so it runs wherever the tests do.
  for (const name of [`opencode-${process.platform}-${arch}-baseline`, `opencode-${process.platform}-${arch}`]) {
    try {
      const program = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin/opencode');
      if (existsSync(program)) return program;
    } catch {
      continue; // not this platform's package
    }
  }
  throw new Error('OpenCode is not installed here. Run `npm test -- opencode`, which installs it.');
}

export interface OpenCodeHome {
  readonly program: string;
  readonly args: readonly string[];
  /** The environment it must run in: nothing of the person's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
  readonly cwd: string;
  /** Deletes what OpenCode knows of its sessions, as if its store had been lost. */
  loseStore(): Promise<void>;
  remove(): Promise<void>;
}

export interface OpenCodeOptions {
  readonly baseUrl: string;
  /** OpenCode's own permission rules, by tool. */
  readonly permission?: Readonly<Record<string, 'allow' | 'ask' | 'deny'>>;
}

export async function openCodeHome({ baseUrl, permission = {} }: OpenCodeOptions): Promise<OpenCodeHome> {
  const root = await realpath(await mkdtemp(path.join(os.tmpdir(), 'rehydrate-opencode-')));
  const home = path.join(root, 'home');
  const cwd = path.join(root, 'project');
  // In its home, not in the project: the doctor works in a directory of its own.
  const config = path.join(home, '.config/opencode');
  await mkdir(config, { recursive: true });
  await mkdir(cwd);
  await writeFile(
    path.join(config, 'opencode.json'),
    JSON.stringify({
      model: 'mock/mock',
      small_model: 'mock/mock',
      autoupdate: false,
      share: 'disabled',
      permission,
      provider: {
        mock: {
          npm: '@ai-sdk/openai-compatible',
          name: 'Mock',
          options: { baseURL: baseUrl, apiKey: 'none' },
          models: { mock: { name: 'Mock', limit: { context: 100_000, output: 10_000 }, tool_call: true } },
        },
      },
    }),
  );
  // Of the world's models it needs none: to read its list of them is a third of each start.
  const models = path.join(root, 'models.json');
  await writeFile(models, '{}');
  const data = path.join(home, '.local/share');
  return {
    program: opencodeProgram(),
    args: ['acp'],
    env: {
      HOME: home,
      XDG_DATA_HOME: data,
      XDG_CONFIG_HOME: path.join(home, '.config'),
      XDG_CACHE_HOME: path.join(home, '.cache'),
      XDG_STATE_HOME: path.join(home, '.local/state'),
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_MODELS_PATH: models,
      OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      PATH: process.env.PATH ?? '/usr/bin:/bin',
    },
    home,
    cwd,
    loseStore: () => rm(path.join(data, 'opencode'), { recursive: true, force: true }),
    remove: () => rm(root, { recursive: true, force: true, maxRetries: 5 }),
  };
}
