/** RivetKit's `db({})` for a runner that dies at one chosen write: `KILL=write:point`. */
import { db } from 'rivetkit/db';
import { KILL_POINTS, type KillPoint } from '../../faults/engine-host/plan.ts';

type Provider = ReturnType<typeof db>;
type Client = Awaited<ReturnType<Provider['createClient']>>;

const READS = /^\s*(?:SELECT|WITH|EXPLAIN|PRAGMA \w+\s*$)/i;
const die = () => process.kill(process.pid, 'SIGKILL');

/** `kill` is `N:before`, `N:between` or `N:after`; writes are counted from 1 over all the actors of the process. */
export function dyingDb(kill: string | undefined): Provider {
  const provider = db({});
  if (!kill) return provider;
  const [at, point] = kill.split(':') as [string, KillPoint];
  if (!KILL_POINTS.includes(point)) throw new Error(`KILL=${kill} names no instant: ${KILL_POINTS.join(', ')}.`);
  let writes = 0;
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    const now = ++writes === Number(at) ? point : null;
    if (now === 'before') die();
    const result = await work();
    if (now === 'between') die();
    // Everything that waited for the write runs first: followers, callers, the message to the agent.
    if (now === 'after') setImmediate(die);
    return result;
  };
  const createClient: Provider['createClient'] = async (context) => {
    const client = await provider.createClient(context);
    const execute = (sql: string, ...args: unknown[]) =>
      READS.test(sql) ? client.execute(sql, ...args) : counted(() => client.execute(sql, ...args));
    return {
      ...client,
      execute: execute as Client['execute'],
      transaction: (work, options) => counted(() => client.transaction(work, options)),
    };
  };
  return { ...provider, createClient };
}
