import { describe, expect, it } from 'vitest';
import { authorizeHttp, authorizeUpgrade, type RequestHead, SUBPROTOCOL, type UpgradePolicy } from '../../../src/bridge/index.ts';

const TOKEN = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const NAME = 'abcdefghijklmnopqrstuv';

const policy: UpgradePolicy = {
  hosts: ['127.0.0.1:4000', 'localhost:4000'],
  origins: ['https://docs.example'],
  allowMissingOrigin: false,
  token: TOKEN,
  agents: ['echo', 'other-1.0'],
  upgradesPerSecond: 50,
  connections: 4,
  load: { recentUpgrades: 0, connections: 0, closing: false, taken: () => false },
};

const good: Record<string, string> = {
  Host: '127.0.0.1:4000',
  Origin: 'https://docs.example',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Protocol': `acp.v1, bearer.${TOKEN}`,
};

interface Change extends Partial<Omit<RequestHead, 'headers'>> {
  /** Headers changed, or left out with null. */
  readonly set?: Readonly<Record<string, string | null>>;
  /** Headers that come once more. */
  readonly also?: readonly (readonly [string, string])[];
}

function request({ set = {}, also = [], ...rest }: Change): RequestHead {
  const merged = Object.entries({ ...good, ...set }).filter((entry): entry is [string, string] => entry[1] !== null);
  return { method: 'GET', httpVersion: '1.1', target: '/agents/echo', earlyBytes: 0, headers: [...merged, ...also], ...rest };
}

const loaded = (load: Partial<UpgradePolicy['load']>): UpgradePolicy => ({ ...policy, load: { ...policy.load, ...load } });
const protocols = (value: string | null): Change => ({ set: { 'Sec-WebSocket-Protocol': value } });
const host = (value: string): Change => ({ set: { Host: value } });
const origin = (value: string | null): Change => ({ set: { Origin: value } });

describe('authorizeUpgrade lets in', () => {
  const rows: [string, Change, Partial<UpgradePolicy>, object][] = [
    ['a page on the list with the token', {}, {}, { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: null }],
    [
      'another agent of the list',
      { target: '/agents/other-1.0' },
      {},
      { ok: true, agent: 'other-1.0', subprotocol: 'acp.v1', connection: null },
    ],
    ['the other name of the loopback', host('localhost:4000'), {}, { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: null }],
    [
      'a connection with a name',
      protocols(`acp.v1, bearer.${TOKEN}, conn.${NAME}`),
      {},
      { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: NAME },
    ],
    [
      'subprotocols in any order, without spaces',
      protocols(`conn.${NAME},bearer.${TOKEN},acp.v1`),
      {},
      { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: NAME },
    ],
    [
      'subprotocols of other things besides',
      protocols(`chat, acp.v1, bearer.${TOKEN}`),
      {},
      { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: null },
    ],
    [
      'a program without Origin, when that is allowed',
      origin(null),
      { allowMissingOrigin: true },
      { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: null },
    ],
    ['Upgrade in any case', { set: { Upgrade: 'WebSocket' } }, {}, { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: null }],
    [
      'one more below the limits',
      {},
      { load: { ...policy.load, recentUpgrades: 49, connections: 3 } },
      { ok: true, agent: 'echo', subprotocol: 'acp.v1', connection: null },
    ],
  ];
  it.each(rows)('%s', (_name, change, more, expected) => {
    expect(authorizeUpgrade(request(change), { ...policy, ...more })).toEqual(expected);
  });
});

describe('where clients may come only to look', () => {
  const shared: UpgradePolicy = { ...policy, subprotocols: [SUBPROTOCOL, 'observe.v1'] };
  it.each([SUBPROTOCOL, 'observe.v1'])('%s is let in, and told apart', (subprotocol) => {
    expect(authorizeUpgrade(request(protocols(`${subprotocol}, bearer.${TOKEN}`)), shared)).toMatchObject({ ok: true, subprotocol });
  });

  it.each([
    ['both at once', `acp.v1, observe.v1, bearer.${TOKEN}`, 400, 'malformed_subprotocols'],
    ['neither', `observe.v2, bearer.${TOKEN}`, 400, 'malformed_subprotocols'],
    ['to look without a token', 'observe.v1', 401, 'token_missing'],
    ['to look with a wrong token', `observe.v1, bearer.${'B'.repeat(43)}`, 401, 'token_wrong'],
  ])('%s is refused', (_name, offered, status, reason) => {
    expect(authorizeUpgrade(request(protocols(offered)), shared)).toMatchObject({ ok: false, status, reason });
  });

  it('a bridge, which shares nothing, speaks acp.v1 alone', () => {
    expect(authorizeUpgrade(request(protocols(`observe.v1, bearer.${TOKEN}`)), policy)).toMatchObject({ status: 400 });
  });
});

describe('authorizeUpgrade refuses', () => {
  const rows: [number, string, string, Change, UpgradePolicy?][] = [
    [400, 'malformed_method', 'HTTP/1.0', { httpVersion: '1.0' }],
    [400, 'malformed_method', 'another method', { method: 'POST' }],
    [400, 'malformed_target', 'a target in absolute form', { target: 'http://127.0.0.1:4000/agents/echo' }],
    [400, 'malformed_target', 'a path that climbs', { target: '/agents/../agents/echo' }],
    [400, 'malformed_target', 'a path that stays', { target: '/agents/./echo' }],
    [400, 'malformed_target', 'an escaped path', { target: '/agents/%65cho' }],
    [400, 'malformed_target', 'an escaped climb', { target: '/agents/%2e%2e/echo' }],
    [400, 'malformed_target', 'an escaped NUL', { target: '/agents/echo%00' }],
    [400, 'malformed_target', 'doubled slashes', { target: '//agents/echo' }],
    [400, 'malformed_target', 'a slash at the end', { target: '/agents/echo/' }],
    [400, 'malformed_target', 'a backslash', { target: '/agents\\echo' }],
    [400, 'malformed_target', 'a matrix parameter', { target: '/agents/echo;x=1' }],
    [400, 'malformed_target', 'a fragment', { target: '/agents/echo#x' }],
    [400, 'malformed_target', 'an asterisk', { target: '*' }],
    [400, 'query_not_accepted', 'the token in the query', { target: `/agents/echo?token=${TOKEN}` }],
    [400, 'query_not_accepted', 'an empty query', { target: '/agents/echo?' }],
    [400, 'malformed_headers', 'no Host', { set: { Host: null } }],
    [400, 'malformed_headers', 'two Hosts', { also: [['host', '127.0.0.1:4000']] }],
    [400, 'malformed_headers', 'two Origins', { also: [['origin', 'https://docs.example']] }],
    [400, 'malformed_headers', 'two lists of subprotocols', { also: [['sec-websocket-protocol', 'acp.v1']] }],
    [400, 'malformed_headers', 'two Upgrades', { also: [['UPGRADE', 'websocket']] }],
    [400, 'malformed_body', 'a body', { set: { 'Content-Length': '5' } }],
    [400, 'malformed_body', 'a chunked body', { set: { 'Transfer-Encoding': 'chunked' } }],
    [400, 'early_bytes', 'frames or requests before the answer', { earlyBytes: 10 }],
    [400, 'malformed_subprotocols', 'a subprotocol that is no token', protocols(`acp.v1, bearer.${TOKEN}, a b`)],
    [400, 'malformed_subprotocols', 'an empty subprotocol', protocols(`acp.v1,, bearer.${TOKEN}`)],
    [400, 'malformed_subprotocols', 'no acp.v1', protocols(`bearer.${TOKEN}`)],
    [400, 'malformed_subprotocols', 'acp.v1 twice', protocols(`acp.v1, acp.v1, bearer.${TOKEN}`)],
    [400, 'malformed_subprotocols', 'a connection name too short', protocols(`acp.v1, bearer.${TOKEN}, conn.short`)],
    [400, 'malformed_subprotocols', 'a connection name too long', protocols(`acp.v1, bearer.${TOKEN}, conn.${'a'.repeat(44)}`)],
    [400, 'malformed_subprotocols', 'a connection name of other characters', protocols(`acp.v1, bearer.${TOKEN}, conn.${'a.'.repeat(12)}`)],
    [400, 'malformed_subprotocols', 'two connection names', protocols(`acp.v1, bearer.${TOKEN}, conn.${NAME}, conn.${NAME}x`)],
    [400, 'malformed_key', 'no key', { set: { 'Sec-WebSocket-Key': null } }],
    [400, 'malformed_key', 'a short key', { set: { 'Sec-WebSocket-Key': 'AAAA' } }],
    [403, 'host_not_allowed', 'a name that was rebound', host('evil.example:4000')],
    [403, 'host_not_allowed', 'a subdomain of localhost', host('a.localhost:4000')],
    [403, 'host_not_allowed', 'a trailing dot', host('localhost.:4000')],
    [403, 'host_not_allowed', 'a trailing dot after the address', host('127.0.0.1.:4000')],
    [403, 'host_not_allowed', 'the address as an integer', host('2130706433:4000')],
    [403, 'host_not_allowed', 'the address in hexadecimal', host('0x7f000001:4000')],
    [403, 'host_not_allowed', 'the address in octal', host('0177.0.0.1:4000')],
    [403, 'host_not_allowed', 'a short address', host('127.1:4000')],
    [403, 'host_not_allowed', 'another loopback address', host('127.0.0.2:4000')],
    [403, 'host_not_allowed', 'any address', host('0.0.0.0:4000')],
    [403, 'host_not_allowed', 'the IPv6 loopback it does not listen on', host('[::1]:4000')],
    [403, 'host_not_allowed', 'the mapped IPv6 address', host('[::ffff:127.0.0.1]:4000')],
    [403, 'host_not_allowed', 'another port', host('127.0.0.1:4001')],
    [403, 'host_not_allowed', 'no port', host('127.0.0.1')],
    [403, 'host_not_allowed', 'a user in front', host('user@127.0.0.1:4000')],
    [403, 'host_not_allowed', 'an empty Host', host('')],
    [403, 'host_not_allowed', 'another case', host('LOCALHOST:4000')],
    [403, 'origin_not_allowed', 'another site', origin('https://evil.example')],
    [403, 'origin_not_allowed', 'null', origin('null')],
    [403, 'origin_not_allowed', 'an empty Origin', origin('')],
    [403, 'origin_not_allowed', 'another scheme', origin('http://docs.example')],
    [403, 'origin_not_allowed', 'another port', origin('https://docs.example:8443')],
    [403, 'origin_not_allowed', 'a longer name', origin('https://docs.example.evil.example')],
    [403, 'origin_not_allowed', 'a subdomain', origin('https://x.docs.example')],
    [403, 'origin_not_allowed', 'a trailing dot', origin('https://docs.example.')],
    [403, 'origin_not_allowed', 'another case', origin('https://DOCS.example')],
    [403, 'origin_not_allowed', 'a path behind', origin('https://docs.example/')],
    [403, 'origin_not_allowed', 'two in one header', origin('https://docs.example https://evil.example')],
    [403, 'origin_not_allowed', 'null, even where a missing one is allowed', origin('null'), { ...policy, allowMissingOrigin: true }],
    [403, 'origin_missing', 'no Origin', origin(null)],
    [
      403,
      'origin_missing',
      'a browser without Origin',
      { set: { Origin: null, 'Sec-Fetch-Site': 'cross-site' } },
      { ...policy, allowMissingOrigin: true },
    ],
    [426, 'upgrade_required', 'no Upgrade', { set: { Upgrade: null, 'Sec-WebSocket-Key': null } }],
    [426, 'upgrade_required', 'another protocol', { set: { Upgrade: 'h2c' } }],
    [426, 'upgrade_required', 'another version', { set: { 'Sec-WebSocket-Version': '8' } }],
    [401, 'token_missing', 'no subprotocols', protocols(null)],
    [401, 'token_missing', 'no token among them', protocols('acp.v1')],
    [
      401,
      'token_missing',
      'the token in another header',
      { set: { 'Sec-WebSocket-Protocol': 'acp.v1', Authorization: `Bearer ${TOKEN}` } },
    ],
    [401, 'token_wrong', 'another token', protocols(`acp.v1, bearer.${'B'.repeat(43)}`)],
    [401, 'token_wrong', 'a token cut short', protocols(`acp.v1, bearer.${TOKEN.slice(0, -1)}`)],
    [401, 'token_wrong', 'a token with more behind', protocols(`acp.v1, bearer.${TOKEN}A`)],
    [401, 'token_wrong', 'a token in another case', protocols(`acp.v1, bearer.${TOKEN.toLowerCase()}`)],
    [401, 'token_wrong', 'an empty token', protocols('acp.v1, bearer.')],
    [401, 'token_repeated', 'the token twice', protocols(`acp.v1, bearer.${TOKEN}, bearer.${TOKEN}`)],
    [401, 'token_repeated', 'a guess beside the token', protocols(`acp.v1, bearer.${'B'.repeat(43)}, bearer.${TOKEN}`)],
    [404, 'agent_unknown', 'another agent', { target: '/agents/nobody' }],
    [404, 'agent_unknown', 'an agent in another case', { target: '/agents/Echo' }],
    [404, 'agent_unknown', 'a property every object has', { target: '/agents/__proto__' }],
    [404, 'agent_unknown', 'no agent', { target: '/agents' }],
    [404, 'agent_unknown', 'a longer path', { target: '/agents/echo/more' }],
    [404, 'agent_unknown', 'another path', { target: '/echo' }],
    [409, 'connection_taken', 'a name in use', protocols(`acp.v1, bearer.${TOKEN}, conn.${NAME}`), loaded({ taken: (id) => id === NAME })],
    [429, 'upgradesPerSecond', 'the next of many in a second', {}, loaded({ recentUpgrades: 50 })],
    [503, 'connections', 'one too many', {}, loaded({ connections: 4 })],
    [503, 'closing', 'a late one', {}, loaded({ closing: true })],
  ];
  it.each(rows)('%i %s: %s', (status, reason, _name, change, under = policy) => {
    expect(authorizeUpgrade(request(change), under)).toMatchObject({ ok: false, status, reason });
  });

  it('in one order, whatever else is wrong', () => {
    // Every later fault stays in the request while the earlier ones are mended one by one.
    const steps: [Change, number][] = [];
    const set: Record<string, string | null> = {
      Host: 'evil.example',
      Origin: 'https://evil.example',
      Upgrade: 'h2c',
      'Sec-WebSocket-Protocol': 'acp.v1, bearer.wrong',
    };
    steps.push([{ method: 'POST', target: '/agents/nobody', set: { ...set } }, 400]);
    steps.push([{ target: '/agents/nobody', set: { ...set } }, 403]);
    set['Host'] = good['Host']!;
    steps.push([{ target: '/agents/nobody', set: { ...set } }, 403]);
    set['Origin'] = good['Origin']!;
    steps.push([{ target: '/agents/nobody', set: { ...set } }, 426]);
    set['Upgrade'] = 'websocket';
    steps.push([{ target: '/agents/nobody', set: { ...set } }, 401]);
    set['Sec-WebSocket-Protocol'] = `acp.v1, bearer.${TOKEN}, conn.${NAME}`;
    steps.push([{ target: '/agents/nobody', set: { ...set } }, 404]);
    steps.push([{ set: { ...set } }, 409]);
    const under = loaded({ recentUpgrades: 50, connections: 4, taken: () => true });
    expect(steps.map(([change]) => authorizeUpgrade(request(change), under))).toMatchObject(steps.map(([, status]) => ({ status })));
    expect(authorizeUpgrade(request({}), loaded({ recentUpgrades: 50, connections: 4 }))).toMatchObject({ status: 429 });
    expect(authorizeUpgrade(request({}), loaded({ connections: 4 }))).toMatchObject({ status: 503 });
  });

  it('without saying the token, the path or a header again', () => {
    for (const [, , , change, under = policy] of rows) {
      const decision = JSON.stringify(authorizeUpgrade(request(change), under));
      expect(decision).not.toContain(TOKEN);
      expect(decision).not.toContain('evil');
    }
  });
});

describe('authorizeHttp', () => {
  const plain = {
    Upgrade: null,
    Connection: null,
    'Sec-WebSocket-Key': null,
    'Sec-WebSocket-Version': null,
    'Sec-WebSocket-Protocol': null,
  };
  const bearer = { ...plain, Authorization: `Bearer ${TOKEN}` };
  const rows: [string, Change, object][] = [
    ['lists agents', { target: '/agents', set: bearer }, { ok: true, action: 'agents' }],
    [
      'ends by asking',
      { method: 'DELETE', target: `/connections/${NAME}?how=ask`, set: bearer },
      { ok: true, action: 'end', connection: NAME, how: 'ask' },
    ],
    [
      'asks when nothing is said',
      { method: 'DELETE', target: `/connections/${NAME}`, set: bearer },
      { ok: true, action: 'end', connection: NAME, how: 'ask' },
    ],
    [
      'ends by killing',
      { method: 'DELETE', target: `/connections/${NAME}?how=kill`, set: bearer },
      { ok: true, action: 'end', connection: NAME, how: 'kill' },
    ],
    [
      'tells how it ended',
      { target: `/connections/${NAME}/diagnostics`, set: bearer },
      { ok: true, action: 'diagnostics', connection: NAME },
    ],
    ['answers a preflight of an allowed page', { method: 'OPTIONS', target: '/agents', set: plain }, { ok: true, action: 'preflight' }],
    [
      'refuses a preflight of another page',
      { method: 'OPTIONS', target: '/agents', set: { ...plain, Origin: 'https://evil.example' } },
      { status: 403, reason: 'origin_not_allowed' },
    ],
    [
      'refuses another site',
      { target: '/agents', set: { ...bearer, Origin: 'https://evil.example' } },
      { status: 403, reason: 'origin_not_allowed' },
    ],
    [
      'refuses a rebound name',
      { target: '/agents', set: { ...bearer, Host: 'evil.example:4000' } },
      { status: 403, reason: 'host_not_allowed' },
    ],
    ['refuses no token', { target: '/agents', set: plain }, { status: 401, reason: 'token_missing' }],
    [
      'refuses a wrong token',
      { target: '/agents', set: { ...plain, Authorization: 'Bearer wrong' } },
      { status: 401, reason: 'token_wrong' },
    ],
    [
      'refuses another scheme',
      { target: '/agents', set: { ...plain, Authorization: `Basic ${TOKEN}` } },
      { status: 401, reason: 'token_wrong' },
    ],
    [
      'refuses two tokens',
      { target: '/agents', set: bearer, also: [['authorization', `Bearer ${TOKEN}`]] },
      { status: 400, reason: 'malformed_headers' },
    ],
    ['refuses the token in the query', { target: `/agents?token=${TOKEN}`, set: plain }, { status: 400, reason: 'query_not_accepted' }],
    [
      'refuses another query',
      { method: 'DELETE', target: `/connections/${NAME}?how=ask&x=1`, set: bearer },
      { status: 400, reason: 'query_not_accepted' },
    ],
    [
      'refuses a second question mark',
      { method: 'DELETE', target: `/connections/${NAME}?how=ask?how=kill`, set: bearer },
      { status: 400, reason: 'query_not_accepted' },
    ],
    [
      'refuses a question mark at the end',
      { method: 'DELETE', target: `/connections/${NAME}?how=ask?`, set: bearer },
      { status: 400, reason: 'query_not_accepted' },
    ],
    [
      'refuses an empty query',
      { method: 'DELETE', target: `/connections/${NAME}?`, set: bearer },
      { status: 400, reason: 'query_not_accepted' },
    ],
    [
      'refuses a query for the diagnostics',
      { target: `/connections/${NAME}/diagnostics??`, set: bearer },
      { status: 400, reason: 'query_not_accepted' },
    ],
    ['refuses another method', { method: 'POST', target: '/agents', set: bearer }, { status: 405, reason: 'method_not_allowed' }],
    ['refuses to end with GET', { target: `/connections/${NAME}`, set: bearer }, { status: 405, reason: 'method_not_allowed' }],
    ['refuses a name that is none', { target: '/connections/x/diagnostics', set: bearer }, { status: 404, reason: 'path_unknown' }],
    ['refuses another path', { target: '/', set: bearer }, { status: 404, reason: 'path_unknown' }],
    ['tells an unknown path only to who has the token', { target: '/secret', set: plain }, { status: 401, reason: 'token_missing' }],
  ];
  it.each(rows)('%s', (_name, change, expected) => {
    expect(authorizeHttp(request(change), policy)).toMatchObject(expected);
  });

  it('allows private network access where a preflight asks for it', () => {
    const asked = authorizeHttp(
      request({ method: 'OPTIONS', target: '/agents', set: { ...plain, 'Access-Control-Request-Private-Network': 'true' } }),
      policy,
    );
    expect(asked).toMatchObject({ headers: { 'Access-Control-Allow-Private-Network': 'true' } });
    const not = authorizeHttp(request({ method: 'OPTIONS', target: '/agents', set: plain }), policy);
    expect(not).not.toHaveProperty('headers.Access-Control-Allow-Private-Network');
  });
});
