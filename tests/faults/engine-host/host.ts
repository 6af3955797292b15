/** A host process for the fault suite: `node host.ts PLAN`, the plan as JSON. It tells all it does on stdout. */
import { writeSync } from 'node:fs';
import path from 'node:path';
import { createHost, RehydrateError, type Host } from '../../../src/engine/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { killingDatabase } from './killing-database.ts';
import { AGENT, SESSION, type AgentCommand, type HostLine, type Plan, type Step } from './plan.ts';

// Straight to the descriptor: what was told was told before the next thing happened, whenever that kills us.
const tell = (line: HostLine) => writeSync(1, `${JSON.stringify(line)}\n`);

function launcher({ file, variant, store, log, pace }: AgentCommand) {
  return stdioLauncher({ agents: { [AGENT]: { command: process.execPath, args: [file, variant, store, log, String(pace)] } } });
}

async function follow(host: Host): Promise<void> {
  for await (const event of host.events(SESSION)) tell({ is: 'event', event });
}

/** Answers the first permission request of the running turn, or cancels at the first words: whatever the step is for. */
async function attend(host: Host, step: Step & { do: 'prompt' | 'cancelled-prompt' }, after: number, signal: AbortSignal): Promise<void> {
  for await (const event of host.events(SESSION, { after, signal })) {
    if (step.do === 'prompt' && event.kind === 'permission_requested') {
      await host.respondPermission(SESSION, event.payload.requestId, step.permit ? 'once' : 'no');
      return;
    }
    if (step.do === 'cancelled-prompt' && event.kind === 'update' && event.payload.sessionUpdate === 'agent_message_chunk') {
      await host.cancel(SESSION);
      return;
    }
  }
}

const problem = (key: string | null, error: unknown): HostLine => ({
  is: 'refused',
  key,
  code: RehydrateError.is(error) ? error.code : String((error as Error)?.name),
  message: error instanceof Error ? error.message : String(error),
});

async function take(host: Host, step: Exclude<Step, { do: 'sleep-wake' }>): Promise<void> {
  if (step.do === 'mode') return host.setMode(SESSION, step.modeId).catch((error: unknown) => void tell(problem(null, error)));
  const { latestSeq } = await host.get(SESSION);
  const over = new AbortController();
  const attended = attend(host, step, latestSeq, over.signal).catch((error: unknown) => void tell(problem(null, error)));
  tell({ is: 'asking', key: step.key, text: step.text });
  try {
    const { turnId, stopReason, report } = await host.prompt(SESSION, step.text, { idempotencyKey: step.key });
    tell({ is: 'result', key: step.key, turnId, stopReason, tier: report.tier });
  } catch (error) {
    tell(problem(step.key, error));
  }
  over.abort();
  await attended;
}

const plan = JSON.parse(process.argv[2] ?? '') as Plan;
const database = killingDatabase(await openNodeSqlite(plan.database), plan.kill);
const agents = launcher(plan.agent);
const open = () => createHost({ database, agents, limits: { cancelGraceMs: 60_000 }, protocol: PROTOCOL });

let host = await open();
tell({ is: 'up' });
const { sessions } = await host.list();
if (sessions.length === 0) await host.create({ agent: AGENT, cwd: path.dirname(plan.database), sessionId: SESSION });
let followed = follow(host);
for (const step of plan.steps) {
  if (step.do === 'sleep-wake') {
    await host.sleep();
    await followed;
    host = await open();
    followed = follow(host);
  } else await take(host, step);
}
await host.sleep();
await followed;
await database.close();
tell({ is: 'done', batches: database.batches });
