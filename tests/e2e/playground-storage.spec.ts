/** A storage that is full, denied or does not open: said plainly, and nothing that was stored is lost. */
import { expect, test, type Page } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

/** While the flag stands in the tab's own storage, the browser's database behaves as told. */
async function breakable(page: Page): Promise<(how: 'full' | 'closed' | 'well') => Promise<void>> {
  await page.addInitScript(() => {
    const how = () => sessionStorage.getItem('storage');
    for (const method of ['add', 'put'] as const) {
      const write = IDBObjectStore.prototype[method];
      IDBObjectStore.prototype[method] = function (...args) {
        if (how() === 'full' && this.name !== 'meta') throw new DOMException('Encountered full disk.', 'QuotaExceededError');
        return write.apply(this, args);
      };
    }
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (...args) {
      if (how() === 'closed' && args[0] === 'rehydrate-playground')
        throw new DOMException('Internal error opening backing store.', 'UnknownError');
      return open.apply(this, args);
    };
  });
  return async (how) => {
    await page.evaluate((flag) => sessionStorage.setItem('storage', flag), how);
  };
}

test('a storage that fills up in the middle of an answer: it is said, what was stored stays, and the session goes on when there is room', async ({
  page,
}) => {
  const storage = await breakable(page);
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await pg.send('Count to 500');
  await expect(pg.log).toContainText('1 2 3');
  await storage('full');
  const problem = page.locator('.rp-said .rp-problem');
  await expect(problem).toContainText('full');
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  await expect(pg.log).toContainText('1 2 3');
  await expect(pg.log).toContainText('The turn was interrupted.');
  // Still full: what cannot be stored is not sent, and can be sent again.
  await pg.send('My dog is called Argos.');
  await expect(pg.prompt).toHaveValue('My dog is called Argos.');
  await expect(problem).toContainText('full');
  await storage('well');
  await pg.button('Send').click();
  await pg.turnEnded('My dog is called Argos.');
  await page.reload();
  await pg.ready();
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  await expect(pg.log).toContainText('Noted. Your dog: Argos.');
});

test('a real quota that is used up is said, and the prompt that met it can be sent again', async ({ page, baseURL }) => {
  // Some dozens of turns, each with more text than one reads in an hour. The page itself, kept for a reload without network, takes a part.
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Storage.overrideQuotaForOrigin', { origin: new URL(baseURL!).origin, quotaSize: 6_000_000 });
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const full = page.locator('.rp-said .rp-problem').getByText('full');
  for (let i = 0; i < 60 && !(await full.isVisible()); i++) {
    // The browser compresses what it stores: only noise takes the room it seems to.
    await pg.prompt.fill(
      `My noise is called ${Array.from(crypto.getRandomValues(new Uint8Array(60_000)), (byte) => byte.toString(36)).join('')}`,
    );
    await pg.button('Send').click();
    await expect(pg.button('Cancel turn')).toBeDisabled();
  }
  await expect(full).toBeVisible();
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  // The agent keeps its sessions in the same storage.
  await pg.button('Delete agent store').click();
  await cdp.send('Storage.overrideQuotaForOrigin', { origin: new URL(baseURL!).origin, quotaSize: 60_000_000 });
  await pg.send('My dog is called Argos.');
  await expect(pg.log).toContainText('Noted. Your dog: Argos.');
});

test('a database that held sessions and does not open is asked about, and nothing is begun in its place', async ({ page }) => {
  const storage = await breakable(page);
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await storage('closed');
  await page.reload();
  const notice = page.getByRole('alert').filter({ hasText: 'its storage could not be opened' });
  await expect(notice).toContainText('Internal error opening backing store');
  await expect(pg.button('Sleep')).toBeDisabled();
  await pg.button('Try again').click();
  await expect(notice).toContainText('Internal error opening backing store');
  await storage('well');
  await pg.button('Try again').click();
  await expect(notice).toHaveCount(0);
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');

  await storage('closed');
  await page.reload();
  await pg.button('Go on in memory').click();
  await expect(pg.prompt).toBeFocused();
  await expect(pg.region('Machine')).toContainText('in memory');
  await pg.say('My dog is called Argos.');
  await storage('well');
  await page.reload();
  await pg.ready();
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  await expect(pg.log).not.toContainText('Argos');
});

test('a browser that denies storage is told about, and the session goes on in memory', async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(window, 'indexedDB', { value: undefined });
  });
  const pg = new PlaygroundPage(page);
  await pg.open();
  await expect(page.getByText('does not let this page keep data')).toBeVisible();
  await pg.say('My cat is called Ada.');
  await pg.button('Sleep').click();
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
});

test('Reset says what the browser would not let it delete, and starts anew', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await page.addInitScript(() => {
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (...args) {
      if (args[0].startsWith('scripted-agent-') && sessionStorage.getItem('denied'))
        throw new DOMException('Access is denied for this document.', 'SecurityError');
      return open.apply(this, args);
    };
  });
  await pg.open();
  await pg.say('My cat is called Ada.');
  await page.evaluate(() => sessionStorage.setItem('denied', 'yes'));
  await pg.button('Reset').click();
  await pg.button('Delete all of it').click();
  const dialog = page.getByRole('dialog', { name: 'Not all of it could be deleted' });
  await expect(dialog.getByRole('alert')).toContainText('what the agents in the tab remember: Access is denied for this document.');
  await expect(dialog).toContainText('clear the data of this site');
  await page.evaluate(() => sessionStorage.removeItem('denied'));
  await dialog.getByRole('button', { name: 'Start anew' }).click();
  await pg.ready();
  await expect(pg.log).toContainText('Nothing has been said yet');
});
