/**
 * An ACP agent that speaks the protocol by hand, so that it can say what no SDK would: options of any
 * kind, text that tries to act, updates by the thousand. What it does is the prompt's first word.
 */
import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const update = (sessionId, fields) => send({ method: 'session/update', params: { sessionId, update: fields } });
const say = (sessionId, text) => update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });

/** What a terminal, a browser, Markdown, SQL or a careless eye would obey. */
const HOSTILE = [
  '\u001b]0;owned\u0007\u001b]2;owned\u001b\\',
  '\u001b]8;;https://evil.example\u0007a link\u001b]8;;\u0007',
  '\u001b]52;c;b3duZWQ=\u0007\u009d52;c;b3duZWQ=\u009c',
  '\u001b[2J\u001b[H\u001b[?1049h\u001b[?2004l\u001b[201~\r\n› rm -rf /\r',
  '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script><a href="javascript:alert(1)">x</a>',
  '[x](javascript:alert(1)) ![x](https://evil.example/pixel.png)',
  "'); DROP TABLE acp_sessions; --",
  'invoice\u202egnp.exe \u2066hidden\u2069 \u200fback\u200e',
  'x'.repeat(200_000),
];

const answers = new Map();
let asked = 0;

function ask(sessionId, toolCall, options) {
  const id = `ask-${++asked}`;
  send({ id, method: 'session/request_permission', params: { sessionId, toolCall, options } });
  return new Promise((resolve) => answers.set(id, resolve));
}

const OPTIONS = {
  many: [
    { optionId: 'always', name: 'Yes, and never ask again', kind: 'allow_always' },
    { optionId: 'once', name: 'Yes, this once', kind: 'allow_once' },
    { optionId: 'never', name: 'Never', kind: 'reject_always' },
    { optionId: 'no', name: 'Not now', kind: 'reject_once' },
    { optionId: 'edit', name: 'Let me edit it \u202efirst', kind: '_edit' },
  ],
  odd: [{ optionId: 'only', name: 'Escalate', kind: '_escalate' }],
};

async function act(sessionId, words) {
  const [what, which] = words.split(' ');
  if (what === 'ask') {
    const { outcome } = await ask(
      sessionId,
      { toolCallId: `call-${asked}`, title: 'Delete \u202eeverything', kind: 'delete', status: 'pending' },
      OPTIONS[which],
    );
    say(sessionId, `The answer was ${outcome.optionId ?? outcome.outcome}.`);
  } else if (what === 'hostile') {
    update(sessionId, { sessionUpdate: 'session_info_update', title: `Fine \u202e\u001b]0;owned\u0007<b>title</b>` });
    update(sessionId, {
      sessionUpdate: 'tool_call',
      toolCallId: 'h',
      title: HOSTILE.slice(0, 5).join(' '),
      status: 'pending',
      content: [{ type: 'content', content: { type: 'text', text: HOSTILE.join('\n') } }],
    });
    for (const text of HOSTILE) say(sessionId, `${text}\n`);
    say(sessionId, 'That was all.');
  } else if (what === 'flood') {
    for (let i = 0; i < 10_000; i++) {
      const kind = i % 4;
      if (kind === 0) say(sessionId, `${i} `);
      else if (kind === 1) update(sessionId, { sessionUpdate: 'tool_call', toolCallId: `t${i}`, title: `Tool ${i}`, status: 'completed' });
      else if (kind === 2)
        update(sessionId, { sessionUpdate: 'plan', entries: [{ content: `Step ${i}`, priority: 'low', status: 'pending' }] });
      else update(sessionId, { sessionUpdate: '_unheard_of', i, nested: { deep: [i] } });
    }
    say(sessionId, 'The flood is over.');
  } else {
    say(sessionId, `You said: ${words}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params, result } = JSON.parse(line);
  if (method === undefined) answers.get(id)?.(result ?? { outcome: { outcome: 'error' } });
  else if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === 'session/new') send({ id, result: { sessionId: `odd-${process.pid}` } });
  else if (method === 'session/prompt') {
    void act(params.sessionId, params.prompt.at(-1).text).then(() => send({ id, result: { stopReason: 'end_turn' } }));
  } else if (id !== undefined) send({ id, error: { code: -32601, message: 'Method not found' } });
}
