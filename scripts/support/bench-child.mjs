/** Runs one benchmark module and hands its result to the process that started it. */
import { pathToFileURL } from 'node:url';

const { run } = await import(pathToFileURL(process.argv[2]).href);
const result = await run();
process.send(result, () => process.exit(0));
