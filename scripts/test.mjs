/**
 * `npm test`: sets up, runs everything, and ends with one line of counts.
 *
 *   npm test                     all stages
 *   npm test -- unit e2e         these stages only
 *   FAULTS=full npm test         every fault, not a tenth of them
 */
import { endWithChildren, main, SetupError, setUp } from './support/setup.mjs';

await main(async () => {
  await setUp();
  endWithChildren();
  const { closingLine, STAGES, sum } = await import('./support/stages.mjs');

  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !STAGES.some((stage) => stage.name === name));
  if (unknown.length > 0)
    throw new SetupError(`There is no stage ${unknown.join(', ')}. There are: ${STAGES.map((stage) => stage.name).join(', ')}.`);

  const runStage = async (stage) => {
    console.log(`\n━━ ${stage.name}`);
    const started = performance.now();
    const counts = await stage.run().catch((error) => {
      console.error(error instanceof SetupError ? error.message : error);
      return { passed: 0, failed: 1, skipped: 0 };
    });
    return { name: stage.name, seconds: (performance.now() - started) / 1000, counts };
  };
  const chosen = STAGES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  for (const stage of chosen) stage.ahead?.();
  const results = await Promise.all(chosen.filter(({ beside }) => beside).map(runStage));
  for (const stage of chosen.filter(({ beside }) => !beside)) results.push(await runStage(stage));

  console.log('\n━━ summary');
  for (const { name, seconds, counts } of results) {
    console.log(`${name.padEnd(12)} ${closingLine(counts)} (${seconds.toFixed(0)} s)`);
  }
  const total = sum(results.map(({ counts }) => counts));
  const failed = total.failed > 0 || total.passed === 0;
  if (total.passed === 0) console.error('No test ran.');
  console.log(`\n${closingLine(total)}`);
  process.exitCode = failed ? 1 : 0;
});
