/** Where the documentation is served; by `npm start` when package.json does not say. */
import { readFileSync } from 'node:fs';

const { homepage = 'http://127.0.0.1:4321' } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  homepage?: string;
};
export const HOMEPAGE = homepage.replace(/\/$/, '');
