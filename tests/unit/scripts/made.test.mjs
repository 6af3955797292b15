import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureMade, STATE_DIR } from '../../../scripts/support/setup.mjs';

let scratch;
let dir;
beforeEach(() => {
  scratch = mkdtempSync(path.join(os.tmpdir(), 'made-'));
  dir = path.join(scratch, path.basename(scratch));
  mkdirSync(path.join(scratch, 'from'));
  writeFileSync(path.join(scratch, 'from/a.txt'), 'one');
});
afterEach(() => {
  rmSync(scratch, { recursive: true, force: true });
  rmSync(path.join(STATE_DIR, `${path.basename(scratch)}.made-of`), { force: true });
});

const made = (what = readFileSync(path.join(scratch, 'from/a.txt'), 'utf8')) =>
  ensureMade(dir, [`${scratch}/from/**`], async (making) => {
    mkdirSync(making);
    writeFileSync(path.join(making, 'out.txt'), what);
  });
const out = () => readFileSync(path.join(dir, 'out.txt'), 'utf8');

test('what a folder is made of decides whether it is made again', async () => {
  expect([await made(), out()]).toEqual([true, 'one']);
  expect([await made('other'), out()]).toEqual([false, 'one']);
  writeFileSync(path.join(scratch, 'from/a.txt'), 'two');
  expect([await made(), out()]).toEqual([true, 'two']);
  writeFileSync(path.join(scratch, 'from/b.txt'), '');
  expect(await made()).toBe(true);
  rmSync(dir, { recursive: true });
  expect([await made(), existsSync(`${dir}.before`), existsSync(`${dir}.making`)]).toEqual([true, false, false]);
});

test('two at once make it once', async () => {
  expect((await Promise.all([made(), made()])).toSorted()).toEqual([false, true]);
});

test('what could not be made stays as it was, and is tried again', async () => {
  await made();
  writeFileSync(path.join(scratch, 'from/a.txt'), 'two');
  const failing = ensureMade(dir, [`${scratch}/from/**`], () => Promise.reject(new Error('no')));
  await expect(failing).rejects.toThrow('no');
  expect(out()).toBe('one');
  expect([await made(), out()]).toEqual([true, 'two']);
});
