/** `npm run setup`: makes a fresh clone ready. Every other command does the same first. */
import { main, setUp } from './support/setup.mjs';

await main(async () => {
  await setUp();
  console.log('Ready: `npm start` opens the playground, `npx rehydrate --help` shows the command, `npm test` runs all tests.');
});
