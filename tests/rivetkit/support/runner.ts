/** A process that runs the actors, as a deployment has many of. Says when it is ready. */
import { registry } from './registry.ts';

registry.start();
const port = process.env['ENGINE_PORT'];
for (let tries = 0; tries < 300; tries++) {
  const up = await fetch(`http://127.0.0.1:${port}/health`).then((response) => response.ok, () => false);
  if (up) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
console.log('ready');
