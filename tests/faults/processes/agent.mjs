/**
 * An agent that fails at one point of its start, and leaves as much behind as it can: a child in its
 * group and one in a session of its own, both deaf to SIGTERM.
 *
 *   node agent.mjs MODE    good | crash | hang | rubbish | initialize | new | load
 */
import { spawn } from 'node:child_process';

const mode = process.argv[2];
const deaf = 'trap "" TERM HUP INT; sleep 600';
spawn('sh', ['-c', deaf], { stdio: 'ignore' });
spawn('sh', ['-c', deaf], { stdio: 'ignore', detached: true });
if (mode === 'crash') process.exit(7);
if (mode === 'hang') process.on('SIGTERM', () => undefined);
if (mode === 'rubbish') process.stdout.write('}{ not a message\n'.repeat(1_000));

const answers = {
  initialize: () => ({ protocolVersion: 1, agentCapabilities: { loadSession: true } }),
  'session/new': () => ({ sessionId: `agent-${process.pid}` }),
  'session/load': () => ({}),
  'session/prompt': () => ({ stopReason: 'end_turn' }),
};
const refusals = { initialize: 'initialize', new: 'session/new', load: 'session/load' };
let pending = '';
process.stdin.on('data', (chunk) => {
  const lines = (pending + chunk).split('\n');
  pending = lines.pop();
  for (const line of lines) answer(JSON.parse(line));
});
process.stdin.on('end', () => mode !== 'hang' && process.exit(0));

function answer({ id, method }) {
  if (id === undefined || mode === 'hang' || mode === 'rubbish') return;
  const refused = refusals[mode] === method || answers[method] === undefined;
  const outcome = refused ? { error: { code: -32603, message: 'it does not please me' } } : { result: answers[method]() };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...outcome })}\n`);
}
