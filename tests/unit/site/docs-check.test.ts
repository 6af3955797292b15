import { expect, test } from 'vitest';
import { codeSpans, sourceProblems, wrongNames, wrongParts, wrongSources, writtenNumbers } from '../../../scripts/docs-check.mjs';
import { docsPages } from './pages.ts';

const known = new Set(['host', 'sleep', 'AgentExit', 'queuedEvents']);
const check = (text: string) => wrongNames(text, known, (file: string) => file === 'src/engine/ports.ts');

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
  ['import Src from \'@site/Src.astro\';\n<Src symbol="x" /> and [a page](/guides/there/#part)', []],
  ['<Src symbol="x" />', ['uses Src and does not import it']],
  ["import { figure, fields } from '@site/tables.ts';\nafter {figure('a', 'b')}: <p {...fields} />", []],
  ["```ts\nimport { figure } from '@site/tables.ts';\n```\n{figure('a', 'b')}", ['uses figure and does not import it']],
  ["import Src from '@site/Src.astro';", ['imports Src and does not use it']],
  ['a [page that\nis gone](/guides/gone/)', ['links to /guides/gone/, which does not exist']],
  ['```ts\nnew Map<String, [x](/y/)>()\n``` and the [playground](/playground/)', []],
])('%j', (text, problems) => {
  expect(wrongParts(text, new Set(['/guides/there/']))).toEqual(problems);
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
])('a number that stands for something of ours is rendered, not written: %j', (text, numbers, allowed: string[] = []) => {
  expect(writtenNumbers(text, allowed).map((problem) => /“(.*)”/.exec(problem)?.[1])).toEqual(numbers);
});

test.each([
  ['{figure(\'a.ts\', \'leaseMs\')} <Src file="a.ts" symbol="wake" /> <Src\nfile="a.ts" />', []],
  ["{figure('a.ts', 'gone')}", ['names gone of a.ts, which is not there']],
  ['<Src file="b.ts" symbol="wake" />', ['names wake of b.ts, which is not there']],
  ['<Src file="b.ts" />', ['names  of b.ts, which is not there']],
])('what a page is rendered from is there: %j', (text, problems) => {
  expect(wrongSources(text, (file) => (file === 'a.ts' ? 'leaseMs: 1, wake()' : ''))).toEqual(problems);
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
