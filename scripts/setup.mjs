/** `npm run setup`: makes a clone ready. `npm start`, `npm test` and the others that need it do the same first. */
import { main, setUp } from './support/setup.mjs';

await main(setUp);
