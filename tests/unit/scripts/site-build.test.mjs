import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pruneSites, useSite } from '../../../scripts/support/site-build.mjs';

const DAY = 24 * 60 * 60;
let builds;
const site = (name, days) => {
  const dir = path.join(builds, name);
  mkdirSync(dir);
  const then = Date.now() / 1000 - days * DAY;
  utimesSync(dir, then, then);
  return dir;
};

beforeEach(() => {
  builds = mkdtempSync(path.join(os.tmpdir(), 'sites-'));
});
afterEach(() => rmSync(builds, { recursive: true, force: true }));

test('what nobody made or served for a day goes, and what is served stays', () => {
  const [made, served, old] = [site('made', 0.9), site('served', 5), site('old', 1.1)];
  const release = useSite(served);
  pruneSites(builds);
  expect([made, served, old].map(existsSync)).toEqual([true, true, false]);
  release();
  pruneSites(builds, Date.now() + 2 * DAY * 1000);
  expect(existsSync(served)).toBe(false);
});
