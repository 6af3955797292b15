/** npm runs this after an install by hand: the checkout's own Node comes first for `npm run` and `npx`, as after the set-up. */
import { ensureNode } from './support/node.mjs';
import { main } from './support/run.mjs';

await main(() => ensureNode(console.error));
