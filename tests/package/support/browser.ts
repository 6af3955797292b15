/** A static file server and a real browser, for pages that use the package. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from '@playwright/test';
import sirv from 'sirv';
import { chromiumArgs, ensureChromium } from '../../../scripts/support/chromium.mjs';

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves a folder as it is, on a free port of this machine. */
export async function serveFolder(directory: string): Promise<Site> {
  const files = sirv(directory, { dev: true });
  const server = createServer((request, response) => files(request, response, () => void response.writeHead(404).end()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export async function launchBrowser(): Promise<Browser> {
  const executablePath = await ensureChromium();
  return chromium.launch({ executablePath, args: chromiumArgs() });
}

export interface Seen {
  readonly stopReason: string;
  readonly tier: string;
  readonly reply: string;
  readonly sessions: number;
}

/** Stands behind an example's last line: puts what happened where a test finds it. */
export const TELL = `
const { sessions } = await host.list();
const events = await host.history(session.sessionId);
const reply = events.filter((each) => each.kind === 'update' && each.payload.sessionUpdate === 'agent_message_chunk').map((each) => each.payload.content.text).join('');
globalThis.told = { stopReason, tier: report.tier, reply, sessions: sessions.length };
`;
/** What the examples say, taken from the address instead. */
export const SAID = ["'hello'", "new URLSearchParams(location.search).get('say')"] as const;

/** What a page takes is bounded by its test alone. */
export function patient(page: Page): Page {
  page.setDefaultTimeout(0);
  page.setDefaultNavigationTimeout(0);
  return page;
}

/** Opens a page that says something, and gives what it told; rejects with the page's own error. */
export async function say(page: Page, url: string, text: string): Promise<Seen> {
  patient(page);
  const failed = new Promise<never>((_, reject) => {
    page.once('pageerror', reject);
    page.once('requestfailed', (request) => reject(new Error(`${request.url()} failed: ${request.failure()?.errorText ?? ''}`)));
  });
  const told = async () => {
    await page.goto(`${url}?say=${encodeURIComponent(text)}`);
    return (await page.waitForFunction(() => (globalThis as unknown as { told?: Seen }).told)).jsonValue() as Promise<Seen>;
  };
  return Promise.race([told(), failed]);
}
