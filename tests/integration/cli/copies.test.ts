/** `fork`, `export`, `import`, `search`, by the built command. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { build, BUILD_MS, errorOf, replyOf, scratch, type Scratch } from './harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => {
  expect(at.left()).toEqual([]);
  at.remove();
});

it('a conversation is found, forked, taken elsewhere, and goes on in each place', async () => {
  await at.prompt('my cat is called Miette');
  const found = await at.run(['search', '--db', at.db, '--json', 'miet', 'cat']);
  expect(found.lines).toMatchObject([
    { type: 'hit', hit: { sessionId: 'main', role: 'agent' } },
    { type: 'hit', hit: { sessionId: 'main', role: 'user', snippet: 'my cat is called Miette' } },
  ]);
  expect((await at.run(['search', '--db', at.db, 'heron'])).stdout).toBe('');

  const forked = await at.run(['fork', '--db', at.db, '--session', 'other', 'main']);
  expect([forked.code, forked.stdout]).toEqual([0, 'other\n']);
  expect(replyOf(await at.prompt('what is my cat called?', 'native', '--session', 'other'))).toContain('Miette');

  const exported = await at.run(['export', '--db', at.db, 'main']);
  const file = path.join(at.directory, 'main.jsonl');
  writeFileSync(file, exported.stdout);
  const there = path.join(at.directory, 'there.sqlite');
  const imported = await at.run(['import', '--db', there, '--session', 'came', file]);
  expect([imported.code, imported.stdout]).toEqual([0, 'came\n']);
  const answered = await at.run(['prompt', '--db', there, '--session', 'came', 'what is my cat called?', '--', ...at.agent('amnesiac')]);
  expect(answered.stdout).toContain('Miette');

  // From a stranger: what it would have an agent start is refused, unless that is meant.
  const evil = exported.stdout.replace('"mcp_servers":[]', '"mcp_servers":[{"name":"evil","command":"sh","args":["-c","id"],"env":[]}]');
  const refused = await at.run(['import', '--db', there, '--session', 'evil', '-'], { stdin: evil });
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/start programs .*\(evil\).*--allow-mcp/)]);
  expect((await at.run(['import', '--db', there, '--session', 'evil', '--allow-mcp', '-'], { stdin: evil })).code).toBe(0);
  expect(imported.stderr).toContain(`Its agent will work in ${at.directory}`);

  // By a pipe, and torn.
  const piped = await at.run(['import', '--db', there, '--session', 'again', '-'], { stdin: exported.stdout });
  expect(piped.code).toBe(0);
  const torn = await at.run(['import', '--db', there, '--session', 'torn', '-'], { stdin: exported.stdout.slice(0, -20) });
  expect([torn.code, torn.stderr]).toEqual([2, expect.stringMatching(/Line \d+ cannot be imported/)]);
  const none = await at.run(['import', '--db', there, path.join(at.directory, 'no-such-file')]);
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('no-such-file')]);
  expect(errorOf(await at.run(['search', '--db', at.db, '--json', '…']))).toBe('invalid_argument');
});
