/** Social cards: a picture of each page's title, shown where others link to it. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { cardPath } from '../lib/page-paths.ts';
import type { Twin } from './markdown.ts';

const WIDTH = 1200;
const HEIGHT = 630;

export async function writeCards(twins: readonly Twin[], site: string): Promise<number> {
  for (const twin of twins) {
    const file = path.join(site, cardPath(twin.file));
    mkdirSync(path.dirname(file), { recursive: true });
    await sharp(Buffer.from(cardSvg(twin.title, twin.description)))
      .png({ palette: true, colours: 32 })
      .toFile(file);
  }
  return twins.length;
}

function cardSvg(title: string, description: string): string {
  const titles = lines(title, 26).slice(0, 3);
  const words = lines(description, 56).slice(0, 3);
  const text = (line: string, y: number, size: number, fill: string, weight = 400) =>
    `<text x="80" y="${y}" font-family="sans-serif" font-size="${size}" font-weight="${weight}" fill="${fill}">${escape(line)}</text>`;
  const below = 240 + titles.length * 84;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}"><rect width="100%" height="100%" fill="#17191e"/><rect width="12" height="100%" fill="#0f7f86"/>${text('Rehydrate', 120, 40, '#8fdde0', 600)}${titles.map((line, i) => text(line, 250 + i * 84, 72, '#ffffff', 700)).join('')}${words.map((line, i) => text(line, below + i * 46, 34, '#c0c2c7')).join('')}</svg>`;
}

/** Greedy lines of at most `width` characters; a longer word stands alone. */
function lines(text: string, width: number): string[] {
  const result: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = result.at(-1);
    if (last !== undefined && last.length + word.length < width) result[result.length - 1] = `${last} ${word}`;
    else result.push(word);
  }
  return result;
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
