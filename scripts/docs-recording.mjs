/**
 * Records the playground for the home page: a session is told something, dies, and is asked for it. `node scripts/docs-recording.mjs [SITE]`
 * writes a looping animation, and its last picture, for each theme to public/recording/.
 */
import { mkdirSync } from 'node:fs';
import { chromium } from '@playwright/test';
import sharp from 'sharp';
import { chromiumArgs, installedChromium } from './support/chromium.mjs';
import { inRoot } from './support/setup.mjs';
import { ensureSite } from './support/site-build.mjs';
import { serveSite } from './support/site-server.mjs';

const SIZE = { width: 1080, height: 720 };
/** The page without the site's header. */
const CLIP = { x: 0, y: 64, width: 1080, height: 656 };
const TOLD = 'My cat is called Ada.';
const ASKED = 'What is my cat called?';

const site = process.argv[2] ?? (await ensureSite());
const server = await serveSite({ dir: site, port: 0 });
const browser = await chromium.launch({ executablePath: installedChromium() ?? undefined, args: chromiumArgs() });
try {
  for (const colorScheme of ['light', 'dark']) await record(colorScheme);
} finally {
  await browser.close();
  await server.close();
}

async function record(colorScheme) {
  const page = await browser.newPage({ viewport: SIZE, colorScheme, reducedMotion: 'reduce' });
  await page.goto(`${server.url.replace(/\/$/, '')}/playground/#v=1&scenario=native-resume&agent=native`);
  const prompt = page.getByRole('textbox', { name: 'Prompt' });
  const status = page.getByRole('status', { name: 'Agent status' });
  const conversation = page.getByRole('log', { name: 'Conversation' });
  const button = (name) => page.getByRole('button', { name });
  const frames = [];
  const moment = async (ms) => frames.push({ picture: await page.screenshot({ clip: CLIP }), ms });
  const say = async (text, answer) => {
    await prompt.fill(text);
    await moment(1200);
    await button('Send').click();
    await conversation.getByText(answer).last().waitFor();
    await status.getByText('live', { exact: true }).waitFor();
  };

  await button('Sleep').and(page.locator(':enabled')).waitFor();
  await say(TOLD, 'Noted. Your cat: Ada.');
  await moment(2200);
  await button('Sleep').click();
  await status.getByText('asleep').waitFor();
  await moment(2200);
  await say(ASKED, 'Your cat: Ada (from my own memory of this session).');
  await moment(4000);
  await page.close();

  mkdirSync(inRoot('public/recording'), { recursive: true });
  const to = (name) => inRoot(`public/recording/${name}-${colorScheme}.webp`);
  const pictures = frames.map(({ picture }) => picture);
  await sharp(pictures, { join: { animated: true } })
    .webp({ quality: 55, effort: 6, loop: 0, delay: frames.map(({ ms }) => ms) })
    .toFile(to('moving'));
  await sharp(pictures.at(-1)).webp({ quality: 60, effort: 6 }).toFile(to('still'));
}
