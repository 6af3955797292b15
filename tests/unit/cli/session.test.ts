import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Output } from '../../../src/cli/output.ts';
import { readySession } from '../../../src/cli/session.ts';
import type { SessionOptions } from '../../../src/cli/session.ts';
import { RehydrateError } from '../../../src/engine/errors.ts';
import type { Host } from '../../../src/engine/index.ts';
import type { SessionInfo } from '../../../src/engine/types.ts';

const OPTIONS: SessionOptions = {
  sessionId: 'main',
  agent: 'agent',
  cwd: '/work',
  env: {},
  mcpServers: undefined,
  auth: undefined,
  mode: undefined,
  settings: [],
};
const SESSION = { sessionId: 'main', agent: 'agent', cwd: '/work', firstSeq: 1, latestSeq: 7, mcpServers: [] } as unknown as SessionInfo;

/** A host that answers `get` with these, one after the other; null is a session that is not there. */
function host(there: readonly (SessionInfo | null)[], create: () => Promise<SessionInfo>): Host {
  const answers = [...there];
  const get = async () => {
    const answer = answers.shift() ?? null;
    if (answer === null) throw new RehydrateError('session_not_found', 'none');
    return answer;
  };
  return { get, create } as unknown as Host;
}

const ready = (on: Host, options = OPTIONS) =>
  readySession(on, options, { note: () => undefined } as unknown as Output, new AbortController().signal);
const fails = (error: RehydrateError) => () => Promise.reject(error);
const exists = new RehydrateError('session_exists', 'it is there');

describe('the session of a call', () => {
  it('is made when there is none: all its events are this call’s', async () => {
    const made = { ...SESSION, latestSeq: 2 };
    expect(await ready(host([null], async () => made))).toEqual({ session: made, before: 0 });
  });

  it('is taken as it is when it is there', async () => {
    expect(await ready(host([SESSION], fails(exists)))).toEqual({ session: SESSION, before: 7 });
  });

  it('is taken as it is when another call made it meanwhile: what that call did is not this one’s', async () => {
    expect(await ready(host([null, SESSION], fails(exists)))).toEqual({ session: SESSION, before: 7 });
    await expect(ready(host([null, SESSION], fails(exists)), { ...OPTIONS, cwd: '/elsewhere' })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });

  it('works in its directory, by whatever path the call names it', async () => {
    const scratch = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-session-'));
    const [project, link] = [path.join(scratch, 'project'), path.join(scratch, 'link')];
    mkdirSync(project);
    symlinkSync(project, link);
    const there = { ...SESSION, cwd: project };
    expect(await ready(host([there], fails(exists)), { ...OPTIONS, cwd: link })).toEqual({ session: there, before: 7 });
    await expect(ready(host([there], fails(exists)), { ...OPTIONS, cwd: scratch })).rejects.toMatchObject({ code: 'invalid_argument' });
    rmSync(scratch, { recursive: true });
  });

  it('that was made and deleted meanwhile is told as the engine told it', async () => {
    await expect(ready(host([null, null], fails(exists)))).rejects.toBe(exists);
  });

  it('that cannot be made for another reason is not looked for again', async () => {
    const other = new RehydrateError('agent_start_failed', 'no agent');
    await expect(ready(host([null, SESSION], fails(other)))).rejects.toBe(other);
  });
});
