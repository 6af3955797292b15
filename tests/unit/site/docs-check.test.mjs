import { expect, test } from 'vitest';
import { codeSpans, sourceProblems, wrongNames, writtenNumbers } from '../../../scripts/docs-check.mjs';
import { docsPages } from './pages.ts';

const known = new Set(['host', 'sleep', 'AgentExit', 'queuedEvents']);
const check = (text) => wrongNames(text, known, (file) => file === 'src/engine/ports.ts');

test.each([
  ['`host.sleep()` ends `AgentExit`', []],
  ['a file that is there: `src/engine/ports.ts`', []],
  ['`npm start` and `--json` are no names', []],
  ['```ts\nnothing(here)\n```', []],
  ['a file that is gone: `src/engine/gone.ts`', [/src\/engine\/gone\.ts, which does not exist/]],
  ['a method that is gone: `host.snooze()`', [/snooze occurs nowhere/]],
  ['a type that is gone: `AgentExits`', [/AgentExits occurs nowhere/]],
])('%j', (text, problems) => {
  expect(check(text)).toEqual(problems.map((problem) => expect.stringMatching(problem)));
});

test.each([
  ['free after 10 s', ['10 s']],
  ['at most 64 KiB of it', ['64 KiB']],
  ['within 1.25× of it, for 10 000 messages', ['1.25×', '10 000 messages']],
  ['shorter than six characters', ['six characters']],
  ['there are 14 agents and twelve invariants', ['14 agents', 'twelve invariants']],
  ['steps={`\n 0 waits 5 s\n`}', ['5 s']],
  ["free after {figure('src/engine/limits.ts', 'leaseMs')}, or ${figure('x.ts', 'a')} later", []],
  ['Node 22.13, ACP 2, −32002, mode 0600, `sleep 5 s`, [a page](/x/#after-5-s)', []],
  ['```sh\nsleep 5 s\n```', []],
  ['theirs: 45 s', [], ['45 s']],
])('a number that stands for something of ours is rendered, not written: %j', (text, numbers, allowed = []) => {
  expect(writtenNumbers(text, allowed).map((problem) => /“(.*)”/.exec(problem)?.[1])).toEqual(numbers);
});

test('code in a frontmatter, an import or a component’s property is no prose', () => {
  expect(codeSpans('---\ntitle: `x`\n---\nimport Y from `z`;\n<A steps={`\n 0>1 \\`q\\`\n`} />\n`kept`')).toEqual(['kept']);
});

test('the pages name nothing that is gone, are all in the sidebar, and every promise has its tests', () => {
  expect(sourceProblems()).toEqual([]);
});

test.each(docsPages())('%s has a title and a description that a search shows whole', (_, text) => {
  const title = /^title: (.+)$/m.exec(text)?.[1] ?? '';
  const description = /^description: (.+)$/m.exec(text)?.[1] ?? '';
  expect(title.length).toBeGreaterThan(2);
  expect(title.length).toBeLessThanOrEqual(60);
  expect(description.length).toBeGreaterThan(20);
  expect(description.length).toBeLessThanOrEqual(160);
});
