import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pruneSites, useSite } from '../../../scripts/support/site-build.mjs';

let builds;
const site = (name, age) => {
  const dir = path.join(builds, name);
  mkdirSync(dir);
  utimesSync(dir, 1_000_000 - age, 1_000_000 - age);
  return dir;
};

beforeEach(() => {
  builds = mkdtempSync(path.join(os.tmpdir(), 'sites-'));
});
afterEach(() => rmSync(builds, { recursive: true, force: true }));

test('the current build, the two newest beside it and one that is served stay', () => {
  const [current, served, third, second, first] = [
    site('current', 9),
    site('served', 5),
    site('third', 4),
    site('second', 3),
    site('first', 2),
  ];
  const release = useSite(served, builds);
  pruneSites(builds, current);
  expect([current, served, first, second].map(existsSync)).toEqual([true, true, true, true]);
  expect(existsSync(third)).toBe(false);
  release();
  site('newer', 1);
  pruneSites(builds, current);
  expect(existsSync(served)).toBe(false);
});

test('the mark of a process that is gone keeps nothing', () => {
  const [current, old] = [site('current', 9), site('old', 5)];
  site('first', 1);
  site('second', 2);
  writeFileSync(`${old}.used-by-999999999`, '');
  pruneSites(builds, current);
  expect(existsSync(old)).toBe(false);
  expect(existsSync(`${old}.used-by-999999999`)).toBe(false);
});

test('a site that is elsewhere is not marked', () => {
  const elsewhere = site('site', 1);
  useSite(elsewhere)();
  expect(existsSync(`${elsewhere}.used-by-${process.pid}`)).toBe(false);
});
