import path from 'node:path';
import { LLMock } from '@copilotkit/aimock';
import { realAgentTests } from '../support/real-agent.ts';

const command = path.join(import.meta.dirname, 'node_modules/.bin/claude-agent-acp');

realAgentTests({
  name: 'Claude',
  command,
  probe: [command],
  newModel: () => new LLMock({ host: '127.0.0.1', port: 0 }),
  set: async (_home, url) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'dummy', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' }),
  mode: 'default',
  tool: () => ({ name: 'Bash', arguments: JSON.stringify({ command: 'touch heron.txt', description: 'Makes a file' }) }),
});
