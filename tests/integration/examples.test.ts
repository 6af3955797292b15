/**
 * Runs the programs the documentation shows, as a reader would: a fresh directory, the built package by its
 * name, a scripted agent as a child process. What the pages say about a run is what is checked here.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { showsAsRecorded } from '../support/record.ts';
import { runProgram } from '../support/run-program.ts';
import { AGENT, build, BUILD_MS } from './cli/harness.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

let directory: string;
let agent: string[];

// Another file may be about to put a new build in place of an old one.
beforeAll(build, BUILD_MS);
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'examples-'));
  agent = [process.execPath, AGENT, '--store', path.join(directory, '.agent'), '--pace', '0'];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const run = (example: string, args: readonly string[], env: Record<string, string> = {}) =>
  runProgram(process.execPath, [path.join(ROOT, 'examples', example), ...args], { cwd: directory, env });

const durable = (text: string) => run('durable.ts', [text, '--', ...agent]);

test('the tutorial: told once, remembered by the agent, then by the record when the agent’s store is gone', async () => {
  const told = await durable('my dog is called Ada');
  expect(told).toMatchObject({ code: 0, err: expect.stringContaining('[end_turn; the session became live by: new]') });

  const asked = await durable('what is my dog called?');
  expect(asked).toMatchObject({ code: 0, out: expect.stringContaining('Ada'), err: expect.stringContaining('became live by: resume]') });

  rmSync(path.join(directory, '.agent'), { recursive: true });
  const again = await durable('what is my dog called?');
  expect(again).toMatchObject({
    code: 0,
    out: expect.stringContaining('Ada'),
    err: expect.stringContaining('became live by: transcript]'),
  });
});

test('the tutorial: an agent that dies in the middle leaves an interrupted turn, and the next prompt goes on', async () => {
  await durable('my dog is called Ada');
  const died = await durable('crash');
  expect(died).toMatchObject({ code: 1, err: expect.stringContaining('[turn_outcome_unknown]') });
  const after = await durable('what is my dog called?');
  expect(after).toMatchObject({ code: 0, out: expect.stringContaining('Ada') });
});

test('the tutorial says how it is called', async () => {
  expect(await run('durable.ts', [])).toMatchObject({ code: 2, err: expect.stringContaining('Usage') });
});

test('the client guide: events, report and the result of a second prompt', async () => {
  const { code, out } = await run('client.ts', ['my dog is called Ada', '--', ...agent]);
  expect(code).toBe(0);
  expect(out).toContain('became live by new');
  expect(out).toContain('agent_message_chunk');
  expect(out).toContain('end_turn, new');
  // What follows the events prints beside what prompts.
  expect(out.split('\n')).toContain('end_turn');
});

test('the Node guide: a host with everything set ends cleanly', async () => {
  expect(await run('node.ts', agent)).toMatchObject({ code: 0, out: expect.stringContaining('ended') });
});

test('the back-up guide: a copy has what was said, and is as private as its original', async () => {
  await durable('my dog is called Ada');
  expect(await run('back-up.ts', ['durable.sqlite', 'copy.sqlite'])).toMatchObject({ code: 0 });
  const copy = new DatabaseSync(path.join(directory, 'copy.sqlite'), { readOnly: true });
  const [said] = copy.prepare("SELECT count(*) AS n FROM acp_session_events WHERE payload LIKE '%Ada%'").all();
  copy.close();
  expect(Number(said?.['n'])).toBeGreaterThan(0);
  expect(statSync(path.join(directory, 'copy.sqlite')).mode & 0o777).toBe(0o600);
});

test('the permission guide: a person and a rule answer', async () => {
  const { code, out } = await run('permissions.ts', agent);
  expect(code).toBe(0);
  expect(out).toContain('May it?');
  expect(out.match(/end_turn/g)).toHaveLength(2);
});

test('the secrets guide: the value is neither in the transcript nor anywhere on disk', async () => {
  const value = 'a-value-nobody-may-find-4711';
  const { code, out } = await run('secrets.ts', agent, { API_TOKEN: value });
  expect(code).toBe(0);
  expect(out).toContain('[secret API_TOKEN]');
  expect(out).not.toContain(value);
  const files = readdirSync(directory).filter((file) => file.startsWith('secrets.sqlite'));
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(readFileSync(path.join(directory, file), 'latin1')).not.toContain(value);
});

test('logs and traces: a turn is a span, with its tier, its end and what happened in it, and nothing that was said', async () => {
  const { code, out } = await run('opentelemetry.ts', agent);
  expect(code).toBe(0);
  const span = JSON.parse(out.trim());
  expect(span).toMatchObject({
    name: 'invoke_agent mine',
    attributes: { 'gen_ai.conversation.id': 'traced', 'rehydrate.tier': 'live', 'rehydrate.turn.state': 'completed' },
    events: ['execute_tool', 'permission_requested', 'permission_resolved'],
  });
  expect(out).not.toContain('tidy up');
  showsAsRecorded('spans', [{ command: '', output: JSON.stringify(span, null, 2) }]);
  const failed = await run('opentelemetry.ts', [process.execPath, AGENT, '--variant', 'crash-prompt', '--pace', '0']);
  expect(JSON.parse(failed.out.trim())).toMatchObject({
    attributes: { 'rehydrate.turn.state': 'interrupted', 'error.type': 'turn_outcome_unknown' },
    events: ['agent_exited'],
  });
});

test('test your client: its tests pass', async () => {
  const { code, out } = await runProgram(process.execPath, ['--test', path.join(ROOT, 'examples/client-test.ts')], { cwd: directory });
  expect(out).toMatch(/pass 2/);
  expect(code).toBe(0);
});

test('pruning: what is old is exported, whole, and deleted; what is not stays', async () => {
  await durable('my dog is called Ada');
  const prune = (days: string) => run('prune.ts', ['durable.sqlite', path.join(directory, 'old'), days]);
  expect(await prune('1')).toMatchObject({ code: 0, out: '' });
  const pruned = await prune('-1');
  expect(pruned).toMatchObject({ code: 0, out: expect.stringContaining('deleted') });
  const [file] = readdirSync(path.join(directory, 'old'));
  const lines = readFileSync(path.join(directory, 'old', file!), 'utf8')
    .trimEnd()
    .split('\n');
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ end: { lines: lines.length - 2 } });
  const left = new DatabaseSync(path.join(directory, 'durable.sqlite'), { readOnly: true });
  expect(left.prepare('SELECT count(*) AS n FROM acp_session_events').get()).toEqual({ n: 0 });
  left.close();
});
