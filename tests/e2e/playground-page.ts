/** The playground as a test sees it: by the names of the contract and nothing else. */
import { expect, type Locator, type Page } from '@playwright/test';

export class PlaygroundPage {
  readonly page: Page;
  readonly problems: string[] = [];
  readonly prompt: Locator;
  readonly log: Locator;
  /** What the agent said since the last prompt that is shown. */
  readonly answer: Locator;
  readonly status: Locator;
  readonly report: Locator;

  constructor(page: Page) {
    this.page = page;
    this.prompt = page.getByRole('textbox', { name: 'Prompt' });
    this.log = page.getByRole('log', { name: 'Conversation' });
    this.answer = this.log.locator('.rp-message[data-who="agent"]:not(:has(~ .rp-message[data-who="user"]))').last();
    this.status = page.getByRole('status', { name: 'Agent status' });
    this.report = page.getByRole('region', { name: 'Resume report' });
    page.on('pageerror', (error) => this.problems.push(String(error)));
    page.on('console', (message) => {
      // A page without a bridge asks its own server for one and hears 404.
      if (message.type() === 'error' && !message.location().url.includes('/__rehydrate/')) this.problems.push(message.text());
    });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name });
  }
  region(name: string): Locator {
    return this.page.getByRole('region', { name });
  }
  combobox(name: string): Locator {
    return this.page.getByRole('combobox', { name });
  }

  /** Opens the page on an agent of the tab, and waits until its parts are ready. */
  async open(fragment = '#v=1&scenario=free&agent=native'): Promise<void> {
    await this.page.goto(`/playground/${fragment}`);
    await this.ready();
  }

  /** The database is open. */
  async opened(): Promise<void> {
    await expect(this.page.getByRole('list', { name: 'Parts of the page' }).getByText('Database ready')).toBeVisible();
  }

  async ready(): Promise<void> {
    await this.opened();
    // In a tab whose session is live in another there is nothing to put to sleep.
    await expect(
      this.button('Sleep').and(this.page.locator(':enabled:not([aria-disabled])')).or(this.button('Take over')).first(),
    ).toBeVisible();
  }

  async send(text: string): Promise<void> {
    await this.prompt.fill(text);
    await this.button('Send').click();
  }

  /** Sends and waits for the end of the turn. */
  async say(text: string): Promise<void> {
    await this.send(text);
    await this.turnEnded(text);
  }

  /** The turn of a prompt is over, and all of it is in the conversation. The status alone is `live` before a turn, too. */
  async turnEnded(text: string): Promise<void> {
    await expect(this.button('Cancel turn')).toBeDisabled();
    await expect(this.log.locator('.rp-message[data-who="user"]').last()).toContainText(text);
    await expect(this.status).toHaveText('live');
  }

  /** Confirms the reset, and waits for the page that begins anew: the one before it still looks ready. */
  async confirmReset(): Promise<void> {
    const anew = this.page.waitForEvent('load');
    await this.button('Delete all of it').click();
    await anew;
    await this.ready();
  }

  async tier(tier: string): Promise<void> {
    await expect(this.report.locator('[data-tier]')).toHaveAttribute('data-tier', tier);
  }

  /** How many events the session shown has, as the picture of the machine tells it. */
  async eventCount(): Promise<number> {
    return Number(/(\d+) events? of/.exec(await this.region('Machine').innerText())?.[1] ?? Number.NaN);
  }

  /** The rows of a page with one session: the panel of tables follows the commits at its own pace. */
  async settledEvents(): Promise<number> {
    let events = Number.NaN;
    await expect
      .poll(async () => {
        events = await this.eventCount();
        return (await this.rowCount('acp_session_events')) === events;
      })
      .toBe(true);
    return events;
  }

  /** Rows of one table as text, read in the panel. */
  async rowCount(table: string): Promise<number> {
    const name = await this.region('Database')
      .getByRole('button', { name: new RegExp(`^${table} \\d+$`) })
      .innerText();
    return Number(name.split(' ').at(-1));
  }

  /** The rows of the terminal that have something on them. It is drawn only where it can be seen. */
  async terminalRows(): Promise<string[]> {
    const rows = await this.region('Terminal').locator('.xterm-rows > div').allInnerTexts();
    return rows.map((row) => row.trim()).filter((row) => row !== '');
  }

  /** Goes to the terminal's line. */
  async terminalLine(): Promise<Locator> {
    await this.region('Terminal').scrollIntoViewIfNeeded();
    await expect(this.region('Terminal').locator('.xterm-rows')).toBeVisible();
    const input = this.page.getByRole('textbox', { name: 'Terminal input' });
    await input.focus();
    return input;
  }
}
