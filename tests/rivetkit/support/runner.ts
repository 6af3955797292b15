/** A process that runs the actors, as a deployment has many of. The engine lists it when it is ready. */
import { registry } from './registry.ts';

registry.start();
