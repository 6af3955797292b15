/** The address of the documentation: the homepage in package.json, else where `npm start` serves it. */
import { readFileSync } from 'node:fs';

// This file stays directly in src/cli, which is as deep as the built dist/cli.
const { homepage = 'http://127.0.0.1:4321' } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  homepage?: string;
};
export const HOMEPAGE = homepage.replace(/\/$/, '');
