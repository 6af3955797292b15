/** Agents that say what a real one said: the frames of tests/opencode/fixtures, each life of the agent from its own scenes. */
import { readFileSync } from 'node:fs';
import { rawAgents, type Heard, type RawAgent, type RawLauncher } from './raw-agent.ts';

/** One frame as tests/opencode/record.ts wrote it, seen from the client. */
interface Recorded {
  readonly dir: 'send' | 'receive';
  readonly frame: Heard & { readonly id?: number };
}

/** The scenes of one life, one after the other. */
export type Life = readonly Recorded[];

const FIXTURES = new URL('../../opencode/fixtures/', import.meta.url);

export function life(...scenes: readonly string[]): Life {
  return scenes.flatMap((scene) =>
    readFileSync(new URL(`${scene}.jsonl`, FIXTURES), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Recorded),
  );
}

/** The same frames with one session's id for another's: recordings call the first session of each run the same. */
export const renamed = (frames: Life, from: string, to: string): Life =>
  JSON.parse(JSON.stringify(frames).replaceAll(`"${from}"`, `"${to}"`)) as Life;

/** The same agent if it did not offer `session/resume`: a client then has to load. */
export const withoutResume = (frames: Life): Life => JSON.parse(JSON.stringify(frames).replaceAll(/,"resume":\{\}/g, '')) as Life;

type Kind = 'response' | `request ${string}` | `notification ${string}`;
const kindOf = ({ id, method }: Heard): Kind =>
  method === undefined ? 'response' : id === undefined ? `notification ${method}` : `request ${method}`;

/**
 * Says after each message of the client what came after the recorded one of its kind, up to the next that the client sent.
 * A request that was never recorded is answered as a method that is not there: the test then sees what the client wanted.
 */
function player(frames: Life): (message: Heard, agent: RawAgent) => void {
  const ids = new Map<number, number>();
  let at = 0;
  return (message, agent) => {
    const index = frames.findIndex(({ dir, frame }, i) => i >= at && dir === 'send' && kindOf(frame) === kindOf(message));
    if (index < 0) {
      if (kindOf(message).startsWith('request'))
        agent.say({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: `"Method not found": ${message.method}` } });
      return;
    }
    if (message.method !== undefined && message.id !== undefined) ids.set(frames[index]!.frame.id!, message.id);
    for (at = index + 1; frames[at]?.dir === 'receive'; at++) {
      const { frame } = frames[at]!;
      agent.say(kindOf(frame) === 'response' ? { ...frame, id: ids.get(frame.id!) } : frame);
    }
  };
}

/** Each launch is the next life. */
export function recordedAgents(...lives: readonly Life[]): RawLauncher {
  const players = new Map<RawAgent, ReturnType<typeof player>>();
  return rawAgents((message, agent) => {
    let play = players.get(agent);
    if (!play) {
      const frames = lives[players.size];
      if (!frames) throw new Error(`no life ${players.size + 1} was recorded`);
      players.set(agent, (play = player(frames)));
    }
    play(message, agent);
  });
}
