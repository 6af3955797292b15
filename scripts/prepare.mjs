/** npm runs this after an install by hand: the checkout's own Node comes first for `npm run` and `npx`, as after the set-up. */
import { ensureNode, main } from './support/setup.mjs';

await main(ensureNode);
