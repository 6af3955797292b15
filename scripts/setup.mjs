/** `npm run setup`: prepares a clone. Commands that need this do it themselves. */
import { main, setUp } from './support/setup.mjs';

await main(setUp);
