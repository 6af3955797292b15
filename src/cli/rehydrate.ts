#!/usr/bin/env node
/**
 * The entry of the `rehydrate` command. It must run on any Node: what needs a newer one is imported only when this one is new enough;
 * else the Node that the package brought along gets the call.
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
