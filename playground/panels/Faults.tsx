import type { ReadonlySignal } from '@preact/signals';
import type { Machine } from '../state/machine.ts';
import { Button } from './Button.tsx';

/** The ways to break it, as buttons. */
export function Faults(props: {
  readonly machine: ReadonlySignal<Machine>;
  readonly ready: ReadonlySignal<boolean>;
  readonly past: ReadonlySignal<boolean>;
  /** The session is live in another tab. */
  readonly elsewhere: ReadonlySignal<boolean>;
  readonly canForget: ReadonlySignal<boolean>;
  readonly crashArmed: ReadonlySignal<boolean>;
  readonly onSleep: () => void;
  readonly onWake: () => void;
  readonly onKill: () => void;
  readonly onDrop: () => void;
  readonly onForget: () => void;
  readonly onCrash: () => void;
}) {
  const { host, agent } = props.machine.value;
  const away = props.elsewhere.value;
  const locked = !props.ready.value || props.past.value || away;
  const why = (words: string) => (away ? 'The agent runs in another tab: take the session over, or press it there.' : words);
  const running = agent !== 'asleep' && agent !== 'dead';
  return (
    <div class="rp-faults" role="group" aria-label="Break it">
      <Button
        onPress={props.onSleep}
        disabled={locked || host !== 'awake'}
        why={why('Drop everything live: host and agent. The database stays.')}
      >
        Sleep
      </Button>
      <Button
        onPress={props.onWake}
        disabled={locked || host !== 'asleep'}
        why={why('Open a host on the same database again. No agent starts yet.')}
      >
        Wake
      </Button>
      <Button tone="harm" onPress={props.onKill} disabled={locked || !running} why={why('End the agent’s process at once.')}>
        Kill agent
      </Button>
      <Button tone="harm" onPress={props.onDrop} disabled={locked || !running} why={why('Cut the line between host and agent.')}>
        Drop connection
      </Button>
      <Button
        tone="harm"
        onPress={props.onForget}
        disabled={!props.ready.value || props.past.value || !props.canForget.value}
        why={
          props.canForget.value
            ? 'The agent forgets every session. The host’s record stays.'
            : 'This agent’s store cannot be reached from here.'
        }
      >
        Delete agent store
      </Button>
      <Button
        tone="harm"
        onPress={props.onCrash}
        disabled={locked}
        pressed={props.crashArmed.value}
        why={why('The agent is killed as soon as it says the first word of its next answer.')}
      >
        Crash mid-turn
      </Button>
    </div>
  );
}
