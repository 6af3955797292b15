import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LLMock } from '@copilotkit/aimock';
import { realAgentTests } from '../support/real-agent.ts';

const bin = (name: string) => path.join(import.meta.dirname, 'node_modules/.bin', name);

realAgentTests({
  name: 'Codex',
  command: bin('codex-acp'),
  probe: [bin('codex'), '--version'],
  newModel: () => new LLMock({ host: '127.0.0.1', port: 0 }),
  async set(home, url) {
    const provider = `[model_providers.mock]\nname = "Mock"\nbase_url = "${url}/v1"\nwire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n`;
    await mkdir(path.join(home, '.codex'), { recursive: true });
    await writeFile(
      path.join(home, '.codex/config.toml'),
      `model = "mock"\nmodel_provider = "mock"\napproval_policy = "on-request"\n\n${provider}`,
    );
    return { OPENAI_API_KEY: 'dummy' };
  },
  mode: 'read-only',
  tool(offered) {
    const name = offered.find((one) => /^(exec_command|shell_command|shell|local_shell)$/.test(one)) ?? 'shell';
    const asks = { sandbox_permissions: 'require_escalated', justification: 'May I make a file?' };
    const command = 'touch heron.txt';
    const said = name === 'exec_command' ? { cmd: command } : { command: name === 'shell' ? ['bash', '-lc', command] : command };
    return { name, arguments: JSON.stringify({ ...said, ...asks }) };
  },
});
