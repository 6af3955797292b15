import path from 'node:path';

/** The checkout. */
export const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');

export const inRoot = (...parts) => path.join(ROOT, ...parts);

/** Where scripts leave what they computed; never committed. */
export const STATE_DIR = inRoot('.setup');

/** The Node that everything after the set-up runs on. */
export const PROJECT_NODE = inRoot('node_modules/.bin/node');
