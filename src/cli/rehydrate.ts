#!/usr/bin/env node
/**
 * The entry point of the `rehydrate` command. It must load on any Node, so whatever needs a recent one is imported only after the version
 * check. On an older Node the call is run again by the npm package `node`, if that is installed beside us.
 */
import { isNewEnough, isReExecuted, reExecute, silenceSqliteWarning } from './runtime.ts';

if (isNewEnough(process.versions.node)) {
  const inner = isReExecuted();
  silenceSqliteWarning();
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2), inner);
} else {
  reExecute();
}
