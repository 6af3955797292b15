/** Directories of a session, and the client services that are asked about them, anew for each test. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { nodeClientServices } from '../../../src/adapters/stdio/index.ts';
import type { ClientServices } from '../../../src/engine/ports.ts';

export interface ClientWorld {
  base: string;
  /** The session's own directory, an additional one, and one that is none of its. */
  root: string;
  extra: string;
  outside: string;
  /** A test may put others in their place. */
  services: ClientServices;
}

export const at = {} as ClientWorld;

export function clientWorld(): void {
  beforeEach(() => {
    const base = realpathSync(mkdtempSync(path.join(tmpdir(), 'rehydrate-client-')));
    const [root, extra, outside] = ['root', 'extra', 'outside'].map((name) => path.join(base, name)) as [string, string, string];
    for (const directory of [root, extra, outside]) mkdirSync(directory);
    writeFileSync(path.join(outside, 'secret'), 'secret');
    Object.assign(at, { base, root, extra, outside, services: nodeClientServices({ limits: { termMs: 300, fileBytes: 1_000_000 } }) });
  });
  afterEach(async () => {
    await at.services.release('s');
    await at.services.release('t');
    rmSync(at.base, { recursive: true, force: true });
  });
}

export function ask(
  method: string,
  params: Record<string, unknown>,
  sessionId = 's',
  signal = new AbortController().signal,
): Promise<Record<string, unknown>> {
  return at.services.handle({ method, params, sessionId, cwd: at.root, additionalDirectories: [at.extra], signal }) as Promise<
    Record<string, unknown>
  >;
}
