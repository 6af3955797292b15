/** Which messages would have an agent start a program, or start one otherwise. */
import { describe, expect, it } from 'vitest';
import { findCommand } from '../../../src/bridge/commands.ts';
import { judgeFrame } from '../../../src/bridge/inbound.ts';

const SERVER = { name: 'x', command: '/bin/sh', args: ['-c', 'id'], env: [] };
const call = (method: string, params: unknown): { method: string } => ({ jsonrpc: '2.0', id: 1, method, params }) as { method: string };
const meta = (value: unknown, method = 'session/new'): { method: string } => call(method, { cwd: '/w', mcpServers: [], _meta: value });
const claude = (options: unknown): { method: string } => meta({ claudeCode: { options } });

describe('refused: what agents are known to run, or to be run with', () => {
  it.each<[string, { method: string }, string]>([
    // Options of @agentclientprotocol/claude-agent-acp, which hands them on to its SDK.
    [
      'hooks in settings',
      claude({ settings: { hooks: { SessionStart: [{ hooks: [{ type: 'command', command: 'id' }] }] } } }),
      'params._meta.claudeCode.options.settings',
    ],
    ['settings by path', claude({ settings: '/tmp/evil.json' }), 'params._meta.claudeCode.options.settings'],
    [
      'an argument for the command line',
      claude({ extraArgs: { 'mcp-config': JSON.stringify({ mcpServers: { x: SERVER } }) } }),
      'params._meta.claudeCode.options.extraArgs',
    ],
    ['environment', claude({ env: { NODE_OPTIONS: '--require /tmp/x.js' } }), 'params._meta.claudeCode.options.env'],
    ['an executable', claude({ pathToClaudeCodeExecutable: '/tmp/x' }), 'params._meta.claudeCode.options.pathToClaudeCodeExecutable'],
    [
      'the executable’s arguments',
      claude({ executableArgs: ['--require', '/tmp/x.js'] }),
      'params._meta.claudeCode.options.executableArgs',
    ],
    ['MCP servers as a map', claude({ mcpServers: { x: SERVER } }), 'params._meta.claudeCode.options.mcpServers'],
    ['plugins', claude({ plugins: [{ type: 'local', path: '/tmp/p' }] }), 'params._meta.claudeCode.options.plugins'],
    ['where settings are looked for', claude({ projectConfigRoot: '/tmp/p' }), 'params._meta.claudeCode.options.projectConfigRoot'],
    ['settings of an administrator', claude({ managedSettings: { hooks: {} } }), 'params._meta.claudeCode.options.managedSettings'],
    ['no questions', claude({ allowDangerouslySkipPermissions: true }), 'params._meta.claudeCode.options.allowDangerouslySkipPermissions'],
    ['an option that a later version brings', claude({ somethingNew: 1 }), 'params._meta.claudeCode.options.somethingNew'],
    [
      'options as JSON in a string',
      meta({ claudeCode: { options: JSON.stringify({ env: { A: 'b' } }) } }),
      'params._meta.claudeCode.options.env',
    ],
    [
      'the whole of it as JSON in a string',
      meta(JSON.stringify({ claudeCode: { options: { env: {} } } })),
      'params._meta.claudeCode.options.env',
    ],
    ['JSON in a string in a string', meta({ x: JSON.stringify(JSON.stringify({ command: 'id' })) }), 'params._meta.x.command'],
    [
      'after a prompt that was let in',
      meta({ claudeCode: { options: { model: 'm', hooks: {} } } }, 'session/prompt'),
      'params._meta.claudeCode.options.hooks',
    ],
    // The same in other words and spellings.
    ['a command', meta({ agent: { command: 'sh' } }), 'params._meta.agent.command'],
    ['a command in a list', meta({ agent: [[{ startCommand: 'sh' }]] }), 'params._meta.agent.startCommand'],
    ['a command in no words', meta({ startcommand: 'sh' }), 'params._meta.startcommand'],
    ['a helper, as programs are called that give a secret', meta({ apiKeyHelper: 'sh' }), 'params._meta.apiKeyHelper'],
    ['a helper in no words', meta({ x: { credentialhelper: 'sh' } }), 'params._meta.x.credentialhelper'],
    ['a binary', meta({ binaryPath: '/tmp/x' }), 'params._meta.binaryPath'],
    ['what runs others', meta({ runner: 'sh' }), 'params._meta.runner'],
    ['snake case', meta({ mcp_servers: [] }), 'params._meta.mcp_servers'],
    ['kebab case', meta({ 'pre-exec': 'x' }), 'params._meta.pre-exec'],
    ['capitals', meta({ ENV: {} }), 'params._meta.ENV'],
    ['an abbreviation in capitals', meta({ MCPConfig: {} }), 'params._meta.MCPConfig'],
    ['letters that only some readers fold', meta({ ſhell: 'x' }), 'params._meta.ſhell'],
    ['`_meta` in capitals', call('session/new', { _META: { env: {} } }), 'params._META.env'],
    ['`_meta` as Python calls it', call('session/new', { field_meta: { env: {} } }), 'params.field_meta.env'],
    [
      'of a content block',
      call('session/prompt', { prompt: [{ type: 'text', text: 'hi', _meta: { shell: 'x' } }] }),
      'params.prompt._meta.shell',
    ],
    [
      'of an http server',
      call('session/new', { mcpServers: [{ type: 'http', url: 'https://x', _meta: { args: [] } }] }),
      'params.mcpServers._meta.args',
    ],
    ['of capabilities', call('initialize', { clientCapabilities: { _meta: { hooks: {} } } }), 'params.clientCapabilities._meta.hooks'],
    [
      'of an authentication',
      call('authenticate', { methodId: 'x', _meta: { 'terminal-auth': { command: 'x' } } }),
      'params._meta.terminal-auth.command',
    ],
    // Methods of an agent's own.
    ['a method that runs', call('_vendor/exec', { line: 'id' }), 'method'],
    ['a method that sets hooks', call('_codex/hooks/trust', { cwd: '/w' }), 'method'],
    ['a method with a command in its parameters', call('_vendor/start', { what: { command: 'id' } }), 'params.what.command'],
    ['a method without an underscore', call('vendor/open', { env: {} }), 'params.env'],
  ])('%s', (_name, message, path) => {
    expect(findCommand(message)?.path).toBe(path);
  });

  it.each(['session/new', 'session/load', 'session/resume', 'session/fork'])('in v1 and v2, MCP servers by command: %s', (method) => {
    expect(findCommand(call(method, { cwd: '/', mcpServers: [SERVER] }))).toMatchObject({ reason: 'mcp_command_not_allowed' });
    expect(findCommand(call(method, { cwd: '/', mcpServers: [{ type: 'stdio', ...SERVER }] }))).toMatchObject({
      reason: 'mcp_command_not_allowed',
    });
  });

  it('says which field, and what to do', () => {
    const verdict = judgeFrame(Buffer.from(JSON.stringify(claude({ env: {} }))), false, { allowMcp: false });
    expect(verdict.verdict).toBe('answer');
    const { error } = JSON.parse((verdict as { text: string }).text);
    expect(error).toMatchObject({ code: -32602, data: { reason: 'meta_not_allowed', path: 'params._meta.claudeCode.options.env' } });
    expect(error.message).toContain('--allow-mcp');
  });

  it('I10: a path is bounded, however long the keys are', () => {
    expect(findCommand(meta({ ['x'.repeat(10_000)]: { env: 1 } }))!.path.length).toBeLessThanOrEqual(120);
  });

  it('passes with --allow-mcp', () => {
    expect(judgeFrame(Buffer.from(JSON.stringify(claude({ env: {} }))), false, { allowMcp: true })).toMatchObject({ verdict: 'forward' });
  });
});

describe('let through', () => {
  it.each<[string, { method: string }]>([
    ['no `_meta`', call('session/new', { cwd: '/w', mcpServers: [] })],
    ['the context of a trace', meta({ traceparent: '00-4bf9-00f0-01', tracestate: 'a=b', baggage: 'k=v' })],
    ['a progress token', meta({ progressToken: 7 }, 'session/prompt')],
    ['ours', meta({ rehydrate: { after: 17 } }, 'session/load')],
    ['what a client can show', call('initialize', { clientCapabilities: { _meta: { terminal_output: true, 'terminal-auth': true } } })],
    ['ids of a run', meta({ runId: '1', execution_id: '2', requestId: '3' })],
    ['words about the conversation', meta({ systemPrompt: { append: 'Answer in French.' }, locale: 'fr', description: 'a transcript' })],
    ['a known agent’s model and effort', claude({ model: 'm', effort: 'high', maxTurns: 3, thinking: { type: 'disabled' } })],
    [
      'a shape for its answer that has such words',
      claude({ outputFormat: { type: 'json_schema', schema: { properties: { command: {} } } } }),
    ],
    ['text that is JSON, in a prompt', call('session/prompt', { prompt: [{ type: 'text', text: '{"command":"sh","env":{}}' }] })],
    ['text that only looks like JSON', meta({ note: '{not json', quote: '[command]' })],
    ['http servers', call('session/new', { mcpServers: [{ type: 'http', name: 'x', url: 'https://x', headers: [] }] })],
    ['a method of an agent’s own', call('_session/steering', { sessionId: 's', prompt: [{ type: 'text', text: '{"command":"x"}' }] })],
    ['options and modes', call('session/set_config_option', { sessionId: 's', configId: 'config', value: 'settings' })],
    ['cancelling', call('$/cancel_request', { requestId: 1 })],
  ])('%s', (_name, message) => {
    expect(findCommand(message)).toBeNull();
  });
});
