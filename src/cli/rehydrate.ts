#!/usr/bin/env node
/**
 * The entry of the `rehydrate` command. It must run on any Node that is still about: what needs a
 * newer one is only imported when this one is new enough, and else the call is handed to the Node
 * that the package brought along.
 */
import { isNewEnough, isReExecuted, reExecute, silenceSqliteWarning } from './runtime.ts';

if (isNewEnough(process.versions.node)) {
  const inner = isReExecuted();
  silenceSqliteWarning();
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2), inner);
} else {
  await reExecute();
}
