import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIXED_LIMITS } from '../../../src/engine/index.ts';
import { createRedactor } from '../../../src/engine/transcript/redact.ts';
import { createThoroughRedactor } from '../../../src/engine/transcript/redact-thorough.ts';
import { CAUGHT, INNOCENTS } from './token-examples.ts';
import { TOKEN_SHAPES } from '../../../src/engine/transcript/token-shapes.ts';

const KEY = `-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq2Jw8Zt0bM\nabcdefghijklmnopqrstuvwxyz012345\n-----END RSA PRIVATE KEY-----`;

describe('known values', () => {
  const secrets = [
    { name: 'API_KEY', value: 'canary-1234' },
    { name: 'LONGER', value: 'canary-1234-and-more' },
    { name: 'HEADER', value: 'Bearer tok3nTok3n' },
    { name: 'QUOTED', value: 'say "hi"\nthere' },
    { name: 'TINY', value: 'true' },
    { name: 'REGEX', value: 'a+b(c)[d]' },
  ];
  const redact = createRedactor(secrets);
  const { thorough } = createThoroughRedactor(secrets);

  it.each([
    ['x canary-1234 y', 'x [secret API_KEY] y'],
    ['canary-1234canary-1234', '[secret API_KEY][secret API_KEY]'],
    ['canary-1234-and-more', '[secret LONGER]'],
    ['curl -H "Authorization: Bearer tok3nTok3n"', 'curl -H "Authorization: [secret HEADER]"'],
    ['the token is tok3nTok3n', 'the token is [secret HEADER]'],
    ['true story', 'true story'],
    ['a+b(c)[d]!', '[secret REGEX]!'],
    ['aab(c)d', 'aab(c)d'],
    ['canary-123', 'canary-123'],
  ])('exact: %s', (text, redacted) => {
    expect(redact(text)).toBe(redacted);
  });

  it.each([
    ['abcdef123456-and-a-long-tail', '[secret A, B]'],
    ['x abcdef123456-and-a-long-tail-of-it y', 'x [secret A, B, C] y'],
    ['abcdef123456 123456-and-a-long-tail', '[secret A] [secret B]'],
    ['abcdef123456abcdef123456', '[secret A][secret A]'],
    ['x 0101010101 y', 'x [secret D] y'],
    ['postgres://ubuntu:pw@h ubuntu', '[secret E] [secret F]'],
  ])('of secrets that overlap, no tail stays: %s', (text, redacted) => {
    const overlapping = [
      { name: 'A', value: 'abcdef123456' },
      { name: 'B', value: '123456-and-a-long-tail' },
      { name: 'C', value: 'tail-of-it' },
      { name: 'D', value: '010101' },
      { name: 'E', value: 'postgres://ubuntu:pw@h' },
      { name: 'F', value: 'ubuntu' },
    ];
    expect(createRedactor(overlapping)(text)).toBe(redacted);
    expect(createThoroughRedactor(overlapping).thorough(text)).toBe(redacted);
  });

  it('every character of every occurrence goes, whatever overlaps it, and nothing else', () => {
    const few = (minLength: number, maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b'), minLength, maxLength });
    fc.assert(
      fc.property(fc.array(few(FIXED_LIMITS.secretChars, 9), { minLength: 1, maxLength: 3 }), few(0, 60), (values, text) => {
        const taken = new Set<number>();
        for (const value of values)
          for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1))
            for (let i = 0; i < value.length; i++) taken.add(at + i);
        const out = createRedactor(values.map((value, i) => ({ name: `S${i}`, value })))(text);
        expect(out.replaceAll(/\[secret [^\]]*\]/g, '')).toBe([...text].filter((_, i) => !taken.has(i)).join(''));
      }),
    );
  });

  it('every string of free text in a JSON value, and nothing else', () => {
    const value = { a: ['x', { b: 'is canary-1234', n: 7, z: null, 'canary-1234': true }], c: 'fine' };
    expect(redact(value)).toEqual({ a: ['x', { b: 'is [secret API_KEY]', n: 7, z: null, 'canary-1234': true }], c: 'fine' });
    const clean = { a: [1, { b: 'nothing' }] };
    expect(redact(clean)).toBe(clean);
    const done = redact(value);
    expect(redact(done)).toBe(done);
    const odd = JSON.parse('{"__proto__":"canary-1234","constructor":"x"}') as object;
    expect(JSON.stringify(redact(odd))).toBe('{"__proto__":"[secret API_KEY]","constructor":"x"}');
  });

  it('what is too deep to be searched is not let through', () => {
    let deep: unknown = 'canary-1234';
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(JSON.stringify(redact(deep))).not.toContain('canary');
  });

  it('thorough: as JSON, percent-encoded, and line by line', () => {
    expect(thorough(JSON.stringify({ v: 'say "hi"\nthere' }))).toBe('{"v":"[secret QUOTED]"}');
    expect(thorough(`?k=${encodeURIComponent('a+b(c)[d]')}`)).toBe('?k=[secret REGEX]');
    const many = createThoroughRedactor([{ name: 'CERT', value: 'first line of the cert\nsecond line of the cert' }]);
    expect(many.thorough('I saw "second line of the cert" there')).toBe('I saw "[secret CERT]" there');
  });

  describe.each([['pä55 "wörd"/+=?x \\ 1'], ['canary-7f3d9a1c55e0'], ['a"b\\c"def/gh'], ["x<y>&'z\n\ud83d\ude00~é (1)!*"]])(
    'thorough: %j in another form',
    (value) => {
      const { thorough } = createThoroughRedactor([{ name: 'N', value }]);
      const json = (text: string): string => JSON.stringify(text).slice(1, -1);
      const ascii = (text: string): string =>
        text.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
      const lower = (text: string): string => text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
      const upper = (text: string): string => text.replaceAll(/\\u[0-9a-f]{4}/g, (escape) => `\\u${escape.slice(2).toUpperCase()}`);
      const asForm = (text: string): string => new URLSearchParams({ k: text }).toString().slice(2);
      it.each<[string, string]>([
        ['JSON', json(value)],
        ['JSON in JSON', json(json(value))],
        ['ASCII JSON', ascii(json(value))],
        ['ASCII JSON in capitals', upper(ascii(json(value)))],
        ['ASCII JSON in JSON', json(ascii(json(value)))],
        ['JSON with escaped slashes', json(value).replaceAll('/', '\\/')],
        ['ASCII JSON with escaped slashes', ascii(json(value)).replaceAll('/', '\\/')],
        ['a URL’s part', encodeURIComponent(value)],
        ['a URL’s part, lower case', lower(encodeURIComponent(value))],
        ['a URL', encodeURI(value)],
        ['a form', asForm(value)],
        ['a form, lower case', lower(asForm(value))],
        ['decomposed', value.normalize('NFD')],
        ['composed', value.normalize('NFC')],
        ['decomposed, a URL’s part', encodeURIComponent(value.normalize('NFD'))],
      ])('%s', (_, form) => {
        expect(thorough(`before ${form} after`)).toBe('before [secret N] after');
      });

      it.each(['', 'u', 'us', 'user:', 'user1:', 'user12:'])('base64, behind %j', (before) => {
        for (const after of ['', 'x', 'xy', 'xyz']) {
          for (const encoding of ['base64', 'base64url'] as const) {
            const encoded = Buffer.from(before + value + after).toString(encoding);
            // At either end may stay what one byte of it shares with its neighbours.
            const left = thorough(`<${encoded}>`).split('[secret N]');
            expect(left).toHaveLength(2);
            const most = (text: string): number => Math.ceil((Buffer.byteLength(text) * 4) / 3) + 2;
            expect(left[0]!.length).toBeLessThanOrEqual(most(before));
            expect(left[1]!.length).toBeLessThanOrEqual(most(after) + 2);
          }
        }
      });
    },
  );

  it('thorough: a value that is short, or has short forms, takes nothing else with it', () => {
    const { thorough } = createThoroughRedactor([
      { name: 'TINY', value: 'ä' },
      { name: 'SHORT', value: 'hunter22' },
    ]);
    const text = `{"a":"\\u00e4","b":"%C3%A4","c":"${btoa('x hunter2')}"}`;
    expect(thorough(text)).toBe(text);
  });

  it('values of any size', () => {
    const value = 'é"AbCdEfGh0123456+/xyz\\ '.repeat(10_000);
    const large = [
      { name: 'BLOB', value },
      { name: 'CERT', value: Array.from({ length: 2_000 }, (_, i) => btoa(`line ${i} of a long certificate chain`)).join('\n') },
    ];
    expect(createRedactor(large)(`a ${value} b`)).toBe('a [secret BLOB] b');
    expect(createThoroughRedactor(large).thorough(`a ${JSON.stringify(value)} ${btoa('line 77 of a long certificate chain')} b`)).toBe(
      'a "[secret BLOB]" [secret CERT] b',
    );
  });

  it('without secrets nothing is touched', () => {
    const none = createRedactor([]);
    const value = { a: 'b' };
    expect(none(value)).toBe(value);
    expect(none('sk-abcdefghijklmnopqrstuvwx')).toBe('sk-abcdefghijklmnopqrstuvwx');
  });

  it('no value of six characters or more survives, whatever it is and wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: FIXED_LIMITS.secretChars, maxLength: 40, unit: 'grapheme' }), { minLength: 1, maxLength: 5 }),
        fc.string(),
        fc.string(),
        (values, before, after) => {
          const secrets = values.map((value, i) => ({ name: `S${i}`, value }));
          const redact = createRedactor(secrets);
          for (const { value } of secrets) {
            const out = redact(before + value + after);
            expect(out.split(/\[secret S\d(?:, S\d)*\]/).join('\u0000')).not.toContain(value);
            expect(redact([{ x: value }])).toEqual([{ x: redact(value) }]);
          }
        },
      ),
    );
  });
});

describe('I4: the protocol stays what it is, whatever word is a secret', () => {
  /** As an agent sends it, and as it is stored when `SECRET` is the value. */
  const TABLE: [what: string, value: string, sent: unknown, stored: unknown][] = [
    ['the kind of an update', 'message', { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'a message' } }, { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'a [secret S]' } }],
    ['a whole kind', 'user_message_chunk', { sessionUpdate: 'user_message_chunk' }, { sessionUpdate: 'user_message_chunk' }],
    ['a block’s type', 'resource', { content: { type: 'resource', resource: { uri: 'a:resource', text: 'resource' } } }, { content: { type: 'resource', resource: { uri: 'a:[secret S]', text: '[secret S]' } } }],
    ['a status', 'completed', { status: 'completed', title: 'completed it' }, { status: 'completed', title: '[secret S] it' }],
    ['a stop reason', 'end_turn', { stopReason: 'end_turn' }, { stopReason: 'end_turn' }],
    ['an id', 'call_1', { toolCallId: 'call_1', messageId: 'call_1', _meta: { parentIds: ['call_1'] } }, { toolCallId: 'call_1', messageId: 'call_1', _meta: { parentIds: ['call_1'] } }],
    ['a mark in _meta', 'informational', { _meta: { claudeCode: { kind: 'informational', note: 'informational' } } }, { _meta: { claudeCode: { kind: 'informational', note: '[secret S]' } } }],
    ['a mode', 'always-ask', { currentModeId: 'always-ask', availableModes: [{ id: 'always-ask', name: 'always-ask', description: 'always-ask' }] }, { currentModeId: 'always-ask', availableModes: [{ id: 'always-ask', name: 'always-ask', description: '[secret S]' }] }],
    ['an option’s value', 'medium', { configOptions: [{ id: 'effort', currentValue: 'medium', options: [{ value: 'medium', name: 'medium' }] }] }, { configOptions: [{ id: 'effort', currentValue: 'medium', options: [{ value: 'medium', name: 'medium' }] }] }],
    ['a command’s name', 'compact', { availableCommands: [{ name: 'compact', description: 'to compact' }] }, { availableCommands: [{ name: 'compact', description: 'to [secret S]' }] }],
    ['a key in an option’s value, and in a name', 'k3y-1234', { currentValue: 'k3y-1234', agentInfo: { name: 'k3y-1234' } }, { currentValue: '[secret S]', agentInfo: { name: '[secret S]' } }],
    ['keys', 'content', { content: [{ content: 'content' }] }, { content: [{ content: '[secret S]' }] }],
    ['a file’s place', '/home/u', { locations: [{ path: '/home/u/a' }], content: [{ type: 'diff', path: '/home/u/a', newText: '/home/u' }] }, { locations: [{ path: '/home/u/a' }], content: [{ type: 'diff', path: '/home/u/a', newText: '[secret S]' }] }],
    ['what a tool was given', 's3cr3t', { kind: 'execute', rawInput: { command: ['curl', 's3cr3t'], id: 's3cr3t', type: 's3cr3t', 's3cr3t': 1 } }, { kind: 'execute', rawInput: { command: ['curl', '[secret S]'], id: '[secret S]', type: '[secret S]', 's3cr3t': 1 } }],
    ['what a tool gave', 's3cr3t', { rawOutput: 'is s3cr3t' }, { rawOutput: 'is [secret S]' }],
    ['an image’s bytes', 'AAAAAA', { content: { type: 'image', mimeType: 'image/png', data: 'xAAAAAAx' } }, { content: { type: 'image', mimeType: 'image/png', data: 'xAAAAAAx' } }],
    ['a resource’s bytes', 'AAAAAA', { resource: { uri: 'a:b', blob: 'AAAAAA' } }, { resource: { uri: 'a:b', blob: 'AAAAAA' } }],
    ['a plan', 'pending', { entries: [{ content: 'is pending', status: 'pending', priority: 'high' }] }, { entries: [{ content: 'is [secret S]', status: 'pending', priority: 'high' }] }],
    ['a notice', 'warning', { sessionUpdate: 'notice', severity: 'warning', title: 'a warning' }, { sessionUpdate: 'notice', severity: 'warning', title: 'a [secret S]' }],
    ['a field of the agent’s own', 's3cr3t', { sessionUpdate: '_own', note: { deep: ['s3cr3t'] } }, { sessionUpdate: '_own', note: { deep: ['[secret S]'] } }],
    ['an object under a word of the protocol', 's3cr3t', { kind: { note: 's3cr3t' }, mode: [{ title: 's3cr3t' }] }, { kind: { note: '[secret S]' }, mode: [{ title: '[secret S]' }] }],
    ['how a turn ended', 'cancelled', { state: 'cancelled', error: { code: 'cancelled', message: 'it was cancelled', data: { details: 'cancelled' } } }, { state: 'cancelled', error: { code: 'cancelled', message: 'it was [secret S]', data: { details: '[secret S]' } } }],
    ['a resume report', 'resume', { tier: 'resume', attempts: [{ method: 'session/resume', outcome: 'ok', evidence: 'resume' }], settings: { restored: ['resume'] } }, { tier: 'resume', attempts: [{ method: 'session/resume', outcome: 'ok', evidence: '[secret S]' }], settings: { restored: ['resume'] } }],
    ['an agent’s exit', 'SIGKILL', { kind: 'signalled', signal: 'SIGKILL', stderr: 'SIGKILL' }, { kind: 'signalled', signal: 'SIGKILL', stderr: '[secret S]' }],
    ['a permission', 'reject', { options: [{ optionId: 'reject', kind: 'reject_once', name: 'reject' }], toolCall: { title: 'reject' } }, { options: [{ optionId: 'reject', kind: 'reject_once', name: 'reject' }], toolCall: { title: '[secret S]' } }],
  ]; // prettier-ignore

  it.each(TABLE)('%s (%s)', (_, value, sent, stored) => {
    const before = JSON.stringify(sent);
    expect(createRedactor([{ name: 'S', value }])(sent)).toEqual(stored);
    expect(JSON.stringify(sent)).toBe(before);
  });
});

describe('token shapes', () => {
  const { thorough } = createThoroughRedactor([]);

  it.each(CAUGHT.map(({ text, secret }) => [text, secret] as const))('caught: %j', (text, secret) => {
    for (const where of [text, `before ${text} after`, `x="${text}"`, `(${text})`, `${text}\n`]) {
      const out = thorough(where);
      expect(out).toMatch(/\[secret (?:token|password|private key|value)\]/);
      for (const part of secret.split(/\s+/)) if (part.length >= 6 && !part.startsWith('-----')) expect(out).not.toContain(part);
    }
  });

  it.each(INNOCENTS.map((text) => [text]))('leaves alone: %j', (text) => {
    for (const where of [text, `before ${text} after`, `"${text}"`, `${text}\n${text}`]) expect(thorough(where)).toBe(where);
  });

  it('forty of each at least, and each shape has one that needs it', () => {
    expect(CAUGHT.length).toBeGreaterThanOrEqual(40);
    expect(INNOCENTS.length).toBeGreaterThanOrEqual(40);
    for (const { name, pattern } of TOKEN_SHAPES) {
      expect([name, CAUGHT.some(({ text }) => text.search(pattern) >= 0)]).toEqual([name, true]);
    }
  });

  it.each([KEY, KEY.replaceAll('\n', '\\n'), KEY.slice(0, 90)])('a private key, whole, escaped and cut off: %j', (key) => {
    expect(thorough(`before ${key} after`)).toMatch(/^before \[secret private key\](?:\s*| )after$/);
  });

  it.each([
    ['Authorization: Bearer abcdefghijklmnop1234', 'Authorization: Bearer [secret token]'],
    ['Authorization: Basic dXNlcjpwYXNzd29yZA==', 'Authorization: Basic [secret password]'],
    ['postgres://user:hunter22@db.example/x', 'postgres://user:[secret password]@db.example/x'],
    ['git clone https://me:ghx@example.com/r.git', 'git clone https://me:[secret password]@example.com/r.git'],
    ['DB_PASSWORD=correcthorse', 'DB_PASSWORD=[secret value]'],
    ['export OPENAI_API_KEY="abcdef123456"', 'export OPENAI_API_KEY="[secret value]"'],
    ['https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX', 'https://hooks.slack.com/services/[secret token]'],
  ])('%s', (text, redacted) => {
    expect(thorough(text)).toBe(redacted);
  });

  it('several without a break between them', () => {
    const key = 'AccountKey=ElK2bWH6JkFpcf1O8K4ffkrgJHtlZy4OaEwzg9qZ9dWAtVEvrrSE';
    const web = 'eyJhbGciOiJIUzI1NiJ9';
    expect(thorough(`eyJzScy9D6ztknpW5BSG.Djbour6LU0JFteadef1wZgVf${key}${web}`)).toBe('[secret token]=[secret token]');
  });

  it('a picture of many megabytes is looked through', () => {
    const picture = 'Qk1G'.repeat(5_000_000);
    expect(thorough(picture) === picture).toBe(true);
  });

  it('takes time in proportion to the text, also for text made to be slow', () => {
    const hard = [
      '-eyJaaaaaaaa',
      '-----BEGIN RSA PRIVATE KEY-----',
      'sk-',
      'a://b:',
      'API_KEY=',
      'Bearer ',
      'eyJaaaaaaaa.',
      'A_',
      'https://x:',
      '-----BEGIN RSA PRIVATE KEY----- ',
      'xoxb-1-',
      ' \\n',
    ];
    for (const piece of hard) {
      const text = piece.repeat(Math.ceil(400_000 / piece.length));
      expect(thorough(text).length).toBeGreaterThan(0);
    }
  });
});
