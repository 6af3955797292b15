/**
 * The commands of the quick start and the tutorial, taken from the pages and run as they stand there, in a
 * folder that looks like a checkout. What the pages say of a run is what is checked.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { showsAsRecorded, type Shown } from '../support/record.ts';
import { build, BUILD_MS } from './cli/harness.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** A folder that looks like a checkout. */
function checkout(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'docs-commands-'));
  for (const name of ['dist', 'examples', 'node_modules']) symlinkSync(path.join(ROOT, name), path.join(made, name));
  return made;
}
let directory: string;

// Another file may be about to put a new build in place of an old one.
beforeAll(build, BUILD_MS);

/** The lines of every `sh` block under a heading of a page. */
function commands(page: string, heading: string): readonly string[] {
  const text = readFileSync(path.join(ROOT, 'content/docs', page), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (!section) throw new Error(`${page} has no section "${heading}".`);
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap((match) => match[1]!.trim().split('\n'));
}

/** What one line printed, stdout and stderr together; a failure is an error with both in it. */
function shell(line: string): Promise<string> {
  const env = {
    ...process.env,
    REHYDRATE_DB: path.join(directory, 'sessions.sqlite'),
    NO_UPDATE_NOTIFIER: '1',
    npm_config_offline: 'true',
  };
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', line], { cwd: directory, env }, (error, out, err) =>
      error ? reject(new Error(`${line}\n${out}${err}`)) : resolve(out + err),
    );
  });
}

async function runAll(lines: readonly string[]): Promise<readonly string[]> {
  const outputs: string[] = [];
  for (const line of lines) outputs.push(await shell(line));
  return outputs;
}

/** Commands with what they printed, for the page to show; this scratch folder is somebody's project there. */
function shown(lines: readonly string[], outputs: readonly string[]): readonly Shown[] {
  return lines.map((command, i) => ({ command, output: outputs[i]!.replaceAll(directory, '/home/ada/project') }));
}

describe('the quick start: the command', () => {
  const lines = commands('start/quick-start.mdx', 'The command');
  let outputs: readonly string[];
  // Once, for each page that goes on from it: `npx` takes its second each time.
  beforeAll(async () => {
    directory = checkout();
    outputs = await runAll(lines);
  }, 300_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('comes back by itself, and from the record', { timeout: 300_000 }, async () => {
    expect(lines).toHaveLength(4);
    const [told, asked, , lost] = outputs;
    expect(told).toContain('[new]');
    expect(asked).toMatch(/Ada[^]*\[resume\]/);
    expect(lost).toMatch(/Ada[^]*\[transcript\]/);
    showsAsRecorded('quick-start', shown(lines, outputs));
  });

  test('the back-up guide: what is read and exported without an agent', { timeout: 300_000 }, async () => {
    const reads = commands('guides/back-up.mdx', 'Read a session');
    const read = await runAll(reads);
    const [sessions, history, transcript] = read;
    expect(sessions).toContain('main');
    showsAsRecorded('read', shown(reads, read));
    expect(history).toContain('my dog is called Ada');
    expect(transcript).toContain('my dog is called Ada');
    await runAll(commands('guides/back-up.mdx', 'Export a session'));
    const events = readFileSync(path.join(directory, 'main.jsonl'), 'utf8').trim().split('\n');
    expect(events.map((line) => JSON.parse(line).event.seq)).toEqual(events.map((_, i) => i + 1));
    expect(readFileSync(path.join(directory, 'main.md'), 'utf8')).toContain('Ada');
  });

  test('events, a report and a preamble as they are in the log', { timeout: 300_000 }, async () => {
    const looks = commands('reference/events.mdx', 'What it looks like');
    const [looked] = await runAll(looks);
    const events = looked!.trim().split('\n');
    const resumed = events.filter((line) => line.includes('"kind":"resumed"')).map((line) => JSON.parse(line).event.payload);
    expect(resumed.map(({ tier }) => tier)).toEqual(['new', 'resume', 'transcript']);
    // One of each kind, and the reports as they read when they are laid out.
    const told = events.filter((line) => !/"update"/.test(line) || line.includes('"agent_message_chunk"'));
    const kinds = Map.groupBy(told, (line) => String(JSON.parse(line).event.kind));
    showsAsRecorded('events', [{ command: looks[0]!, output: [...kinds.values()].map((same) => same.at(-1)).join('\n') }]);
    showsAsRecorded(
      'reports',
      resumed.map((report) => ({ command: '', output: JSON.stringify(report, null, 2) })),
    );
  });

  test('a session is listed, and not after its deletion', { timeout: 300_000 }, async () => {
    expect(await shell('npx rehydrate sessions')).toContain('main');
    await shell('npx rehydrate delete main');
    expect(await shell('npx rehydrate sessions')).not.toContain('main');
  });
});

describe('in a folder of its own', () => {
  beforeEach(() => void (directory = checkout()));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('the quick start: the library', { timeout: 300_000 }, async () => {
    const lines = commands('start/quick-start.mdx', 'The library');
    expect(lines).toHaveLength(2);
    const [told, asked] = await runAll(lines);
    expect(told).toContain('became live by: new');
    expect(asked).toMatch(/Ada[^]*became live by: resume/);
  });

  test('the tutorial', { timeout: 300_000 }, async () => {
    const lines = commands('start/tutorial.mdx', 'Run it');
    expect(lines).toHaveLength(4);
    const [told, asked, , lost] = await runAll(lines);
    expect(told).toContain('became live by: new');
    expect(asked).toMatch(/Ada[^]*became live by: resume/);
    expect(lost).toMatch(/Ada[^]*became live by: transcript/);
  });

  test('the doctor’s verdict, on an agent that does everything and on one that lies', { timeout: 300_000 }, async () => {
    const lines = commands('guides/doctor.mdx', 'What a verdict looks like');
    // A broken rule of the protocol is exit code 1.
    const outputs = await runAll(lines.map((line) => `${line} || true`));
    expect(outputs[0]).toMatch(/^pass +kill-and-resume/m);
    expect(outputs[1]).toMatch(/^FAIL +unknown-session-load/m);
    const checks = (text: string) => [...text.matchAll(/^(?:pass|FAIL|skip) +[a-z-]+/gm)].join('\n');
    showsAsRecorded('doctor', shown(lines, outputs), checks);
  });
});
