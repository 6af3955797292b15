/** `npm run setup`: makes a clone ready, as the commands that need it do themselves. */
import { main, setUp } from './support/setup.mjs';

await main(setUp);
