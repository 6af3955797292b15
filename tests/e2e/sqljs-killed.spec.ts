/** A whole browser killed at random moments while it writes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, expect } from '@playwright/test';
import { openTab, test } from './support/sqljs-fixture.ts';
import { appending, state } from './support/sqljs-appending.ts';

// A trace is recorded through the browser that this file kills: closing it would fail the test after the fact.
test.use({ trace: 'off' });

test('I12: a browser killed with SIGKILL loses nothing acknowledged', async ({ sqljsUrl }, { project }) => {
  const { executablePath = chromium.executablePath(), args = [] } = project.use.launchOptions ?? {};
  const profile = mkdtempSync(path.join(tmpdir(), 'rehydrate-profile-'));
  const start = async () => {
    const child = spawn(
      executablePath,
      [...args, '--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`, '--no-first-run', 'about:blank'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    for await (const line of createInterface({ input: child.stderr! })) {
      const found = /DevTools listening on (ws:\S+)/.exec(line);
      if (!found) continue;
      child.stderr!.resume();
      return { child, browser: await chromium.connectOverCDP(found[1]!) };
    }
    throw new Error('Chromium ended before it was ready');
  };
  let running = await start();
  try {
    for (let round = 0; round < 3; round++) {
      const context = running.browser.contexts()[0]!;
      const { acknowledged, next } = await appending(await openTab(context, sqljsUrl), 20_000);
      await next();
      await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 300));
      const gone = once(running.child, 'exit');
      running.child.kill('SIGKILL');
      await gone;
      const known = acknowledged();
      running = await start();
      const after = await openTab(running.browser.contexts()[0]!, sqljsUrl);
      const { head, rows, top, twins } = await state(after);
      expect(known).toBeGreaterThan(0);
      expect(head).toBeGreaterThanOrEqual(known);
      expect([rows, top, twins]).toEqual([head, head, head]);
      await after.close();
    }
  } finally {
    const gone = once(running.child, 'exit');
    running.child.kill('SIGKILL');
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  }
});
