/** A scripted agent as a program, for whatever starts agents over standard input and output. */
import { checkOptions } from '../../engine/check-options.ts';
import { AGENT_VARIANTS, type AgentVariant, isAgentVariant } from './variants.ts';

/** A command for `stdioLauncher({ agents })` and `openHost(file, { agents })`. */
export interface ScriptedProgram {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The program of a scripted agent, run by this process's own Node. Throws a `RangeError` for a name that is not one of `AGENT_VARIANTS`.
 *
 * @param name - One of `AGENT_VARIANTS`.
 * @param options - `store`: a directory for its sessions; without it they live as long as its process.
 * @example
 * const host = await openHost('sessions.sqlite', { agents: { demo: scriptedAgent('native', { store: '.agent' }) } });
 */
export function scriptedAgent(name: AgentVariant, options: { readonly store?: string } = {}): ScriptedProgram {
  checkOptions('scriptedAgent', options, ['store']);
  const { store } = options;
  if (!isAgentVariant(name)) throw new RangeError(`There is no variant “${String(name)}”. There are: ${AGENT_VARIANTS.join(', ')}.`);
  // This file is bundled for pages, too, so what only Node has is looked up when this is called.
  const { execPath } = (globalThis as { process?: { execPath?: string } }).process ?? {};
  if (execPath === undefined) throw new TypeError('scriptedAgent makes a program for Node; in a page use inProcessLauncher or a worker.');
  const file = decodeURIComponent(new URL(import.meta.url.endsWith('.ts') ? './stdio.ts' : './stdio.js', import.meta.url).pathname);
  return { command: execPath, args: [file, '--variant', name, ...(store === undefined ? [] : ['--store', store])] };
}
