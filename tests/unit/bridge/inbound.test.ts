import { describe, expect, it } from 'vitest';
import { judgeFrame } from '../../../src/bridge/inbound.ts';

const judge = (frame: string | Buffer, allowMcp = false): ReturnType<typeof judgeFrame> =>
  judgeFrame(Buffer.from(frame as string), false, { allowMcp });
const SERVER = '{"name":"x","command":"/bin/sh","args":["-c","id"],"env":[]}';
const call = (method: string, params: string): string => `{"jsonrpc":"2.0","id":7,"method":"${method}","params":${params}}`;

describe('a frame that carries a command for an MCP server is answered -32602', () => {
  const rows: [string, string][] = [
    ...['session/new', 'session/load', 'session/resume', 'session/fork', 'session/whatever'].map((method): [string, string] => [
      method,
      call(method, `{"cwd":"/","mcpServers":[${SERVER}]}`),
    ]),
    ['an escape in the key', call('session/new', `{"mcp\\u0053ervers":[${SERVER}]}`)],
    ['an escape in the inner key', call('session/new', '{"mcpServers":[{"\\u0063ommand":"sh"}]}')],
    ['another case', call('session/new', `{"MCPServers":[{"Command":"sh"}]}`)],
    ['snake case', call('session/new', `{"mcp_servers":[${SERVER}]}`)],
    ['a case that only some readers fold', call('session/new', `{"mcpſervers":[${SERVER}]}`)],
    ['a map instead of a list', call('session/new', `{"mcpServers":{"x":${SERVER}}}`)],
    ['a list in a list', call('session/new', `{"mcpServers":[[[${SERVER}]]]}`)],
    ['a variant inside', call('session/new', `{"mcpServers":[{"stdio":${SERVER}}]}`)],
    ['a command that is not text', call('session/new', '{"mcpServers":[{"command":["sh","-c"]}]}')],
    ['the last of two keys', call('session/new', `{"mcpServers":[],"mcpServers":[${SERVER}]}`)],
    ['beside the params', `{"jsonrpc":"2.0","id":7,"method":"session/new","mcpServers":[${SERVER}]}`],
    ['line ends between tokens', call('session/new', `{"mcpServers"\n:\r\n[${SERVER}]}`)],
  ];
  it.each(rows)('%s', (_name, frame) => {
    const verdict = judge(frame);
    expect(verdict.verdict).toBe('answer');
    if (verdict.verdict === 'answer') expect(JSON.parse(verdict.text)).toMatchObject({ jsonrpc: '2.0', id: 7, error: { code: -32602 } });
  });

  it('keeps the id as it was spelt', () => {
    const verdict = judge(`{"jsonrpc":"2.0","id":123456789012345678901,"method":"session/new","params":{"mcpServers":[${SERVER}]}}`);
    expect(verdict).toMatchObject({ verdict: 'answer', text: expect.stringContaining('"id":123456789012345678901,') });
  });

  it('is dropped when it cannot be answered', () => {
    expect(judge(`{"jsonrpc":"2.0","method":"session/new","params":{"mcpServers":[${SERVER}]}}`)).toMatchObject({ verdict: 'drop' });
  });

  it('passes with --allow-mcp', () => {
    expect(judge(call('session/new', `{"mcpServers":[${SERVER}]}`), true)).toMatchObject({ verdict: 'forward' });
  });

  it('is no matter for servers without a command, for other words, or for text that says so', () => {
    for (const params of [
      '{"mcpServers":[]}',
      '{"mcpServers":[{"type":"http","name":"x","url":"https://example.org","headers":[]}]}',
      '{"command":"sh"}',
      '{"prompt":[{"type":"text","text":"{\\"mcpServers\\":[{\\"command\\":\\"sh\\"}]}"}]}',
    ]) {
      expect(judge(call('session/new', params))).toMatchObject({ verdict: 'forward' });
    }
  });
});

describe('what the agent gets is what was judged', () => {
  it('of a key that came twice, the one value that was looked at', () => {
    const verdict = judge(call('session/new', `{"mcpServers":[${SERVER}],"mcpServers":[]}`));
    expect(verdict).toMatchObject({
      verdict: 'forward',
      line: '{"jsonrpc":"2.0","id":7,"method":"session/new","params":{"mcpServers":[]}}',
    });
  });

  it('of a method that came twice, one', () => {
    const verdict = judge(`{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}`);
    expect(verdict).toMatchObject({ verdict: 'forward', line: '{"jsonrpc":"2.0","id":7,"method":"b"}' });
  });

  it('in one line, however many the frame had', () => {
    const verdict = judge('{\n"jsonrpc"\r\n:"2.0",\n"id":1,\t"method":"x"\n}\n');
    expect(verdict).toMatchObject({ verdict: 'forward', line: '{"jsonrpc":"2.0","id":1,"method":"x"}' });
  });

  it('in one line for readers that split at U+2028 too', () => {
    const verdict = judge('{"jsonrpc":"2.0","method":"x","params":{"a":"\u2028\u2029"}}');
    expect(verdict).toMatchObject({ verdict: 'forward', line: '{"jsonrpc":"2.0","method":"x","params":{"a":"\\u2028\\u2029"}}' });
  });

  it('with ids as they were spelt', () => {
    for (const id of ['9007199254740993', '1e400', '0.1000000000000000055511151231257827', '12345678901234567890']) {
      expect(judge(`{"jsonrpc":"2.0","id":${id},"result":[]}`)).toMatchObject({ line: `{"id":${id},"jsonrpc":"2.0","result":[]}` });
      expect(judge(`{"jsonrpc":"2.0","id":${id},"method":"m"}`)).toMatchObject({ line: `{"id":${id},"jsonrpc":"2.0","method":"m"}` });
    }
  });

  it('with keys that mean something to JavaScript', () => {
    const line = '{"jsonrpc":"2.0","method":"x","params":{"__proto__":{"a":1},"constructor":2,"toJSON":3}}';
    expect(judge(line)).toMatchObject({ verdict: 'forward', line });
  });
});

describe('a frame that is not one JSON-RPC message closes the connection', () => {
  const rows: [string, string | Buffer][] = [
    ['nothing', ''],
    ['text', 'hello'],
    ['two messages', '{"jsonrpc":"2.0","method":"a"}\n{"jsonrpc":"2.0","method":"b"}'],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"a"}]'],
    ['null', 'null'],
    ['a number', '1'],
    ['no version', '{"id":1,"method":"a"}'],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"a"}'],
    ['a method that is no text', '{"jsonrpc":"2.0","id":1,"method":{}}'],
    ['a NUL behind', '{"jsonrpc":"2.0","method":"a"}\0'],
    ['a raw line end in a string', '{"jsonrpc":"2.0","method":"a\nb"}'],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0","method":"a"}'],
    ['invalid UTF-8', Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])],
    ['an overlong character', Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])],
    ['a comma too many', '{"jsonrpc":"2.0","method":"a",}'],
    ['nesting without end', `{"jsonrpc":"2.0","method":"a","params":${'['.repeat(100_000)}`],
  ];
  it.each(rows)('%s', (_name, frame) => {
    expect(judge(frame)).toMatchObject({ verdict: 'close' });
  });

  it.each(['{"jsonrpc":"2.0","id":1,"method":{},"result":1}', '{"jsonrpc":"2.0","id":1,"method":7}'])('%s, which is neither', (frame) => {
    expect(judge(frame)).toMatchObject({ verdict: 'close' });
  });

  it.each(['{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","id":1,"method":null,"result":1}'])('but %s is an answer', (frame) => {
    expect(judge(frame)).toMatchObject({ verdict: 'forward', line: frame });
  });

  it('a binary frame, whatever it holds', () => {
    expect(judgeFrame(Buffer.from('{"jsonrpc":"2.0","method":"a"}'), true, { allowMcp: true })).toMatchObject({ verdict: 'close' });
  });

  it('deep nesting is judged without running out of stack', () => {
    const deep = `{"jsonrpc":"2.0","id":1,"method":"a","params":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    expect(['forward', 'close']).toContain(judge(deep).verdict);
  });
});
