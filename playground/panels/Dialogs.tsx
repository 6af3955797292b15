import { useSignal } from '@preact/signals';
import { isBridged } from '../platform/bridge-prefix.ts';
import { LOCKED } from '../state/agents.ts';
import type { Inventory } from '../state/navigation.ts';
import type { Consent } from '../state/turns.ts';
import { formatFragment } from '../state/visits.ts';
import { count } from '../state/words.ts';
import { Button, Dialog, type PartProps } from './controls.tsx';

type DialogProps = PartProps & { readonly onClose: () => void };

export function ShareDialog({ pg, onClose }: DialogProps) {
  const link = `${location.origin}${location.pathname}${formatFragment(pg.here())}`;
  return (
    <Dialog title="Share this view" onClose={onClose}>
      <p>
        The link names the scenario, the agent and how many steps have run.
        {isBridged(pg.choice.agent.value)
          ? ' This agent is behind a bridge, so whoever opens the link sees the steps and starts them by hand.'
          : ' Whoever opens it sees those steps run again, with the same agent, in their own tab.'}{' '}
        It carries nothing you typed, no secret and no command.
      </p>
      <input class="rp-field rp-code" readOnly aria-label="Link" value={link} onFocus={(event) => event.currentTarget.select()} />
      <Copy what="link" text={link} />
    </Dialog>
  );
}

function Copy({ what, text }: { readonly what: string; readonly text: string }) {
  const copied = useSignal('');
  return (
    <div class="rp-row">
      <Button
        onPress={() => {
          navigator.clipboard.writeText(text).then(
            () => (copied.value = 'Copied.'),
            () => (copied.value = `The browser did not allow it: select the ${what} and copy it.`),
          );
        }}
      >
        Copy {what}
      </Button>
      <span aria-live="polite">{copied}</span>
    </div>
  );
}

export function ConsentDialog({ consent }: { readonly consent: Consent }) {
  const { agent, cwd, events, file, answer } = consent;
  return (
    <Dialog
      title="Send a file’s conversation to your agent?"
      close="Do not send"
      onClose={() => answer(false)}
      action={
        <Button tone="harm" onPress={() => answer(true)}>
          Send it to {agent}
        </Button>
      }
    >
      <p>
        This session comes from the file <strong>{file}</strong>. Its {count(events, 'event')} were written elsewhere: whether anybody ever
        said so, nobody here can know.
      </p>
      <p>
        With your prompt the record of them goes to <strong>{agent}</strong>, which runs in <code>{cwd}</code> with your rights. It reads
        the record, and may act on what stands there.
      </p>
      <p>
        The file chooses no directory, server, environment or setting of the agent’s. You are asked once for each session; the prompt stays
        in its box when you do not send it.
      </p>
    </Dialog>
  );
}

export function ResetDialog({ pg, inventory, onClose }: DialogProps & { readonly inventory: Inventory }) {
  const { stored, forks } = inventory;
  const undeleted = pg.branches.undeleted.value;
  if (undeleted) {
    return (
      <Dialog title="Not all of it could be deleted" close="Start anew" onClose={() => pg.platform.reload()}>
        <div role="alert">
          <p>All is deleted, except:</p>
          <ul>
            {undeleted.map((what) => (
              <li key={what}>{what}</li>
            ))}
          </ul>
        </div>
        <p>
          Where this browser stores nothing for this site, there is nothing left to delete. Else clear the data of this site in the
          browser’s settings.
        </p>
      </Dialog>
    );
  }
  return (
    <Dialog
      title="Start from nothing?"
      close="Keep everything"
      onClose={onClose}
      action={
        <Button tone="harm" onPress={pg.branches.reset}>
          Delete all of it
        </Button>
      }
    >
      <p>This deletes, in this browser and for every tab of this site:</p>
      <ul>
        <li>
          the playground’s database:{' '}
          {stored ? `${count(stored.sessions, 'session')} with ${count(stored.events, 'event')}` : 'its size cannot be read'}
          {forks > 0 ? `, and ${count(forks, 'fork')}` : ''};
        </li>
        <li>the memory of the agents in the tab;</li>
        <li>your settings of this page.</li>
      </ul>
      <p>Agents behind a bridge keep their own sessions. This cannot be undone: export the database first if you may want it back.</p>
    </Dialog>
  );
}

export function BridgeDialog({ pg, onClose }: DialogProps) {
  const url = useSignal('ws://127.0.0.1:');
  const token = useSignal('');
  const command = `npx acp-rehydrate bridge --origin ${location.origin} --agent mine='my-agent --acp'`;
  const state = pg.agents.bridge.value;
  return (
    <Dialog title={state.kind === 'connected' ? 'The bridge' : 'Connect a bridge'} onClose={onClose}>
      {state.kind === 'connected' ? (
        <>
          <p>
            Connected to <code>{state.url}</code>. It offers: {state.agents.join(', ') || 'no agents'}.
          </p>
          <p>
            Each agent runs on the machine of the bridge, in <code>{state.cwd ?? 'its working directory'}</code>, with the rights of whoever
            started it. It runs while its session is live, and ends when the page closes. Stop the bridge with Ctrl-C where it was started.
          </p>
          <div class="rp-row">
            <Button onPress={() => pg.notices.attempt(pg.disconnectBridge)}>Disconnect bridge</Button>
          </div>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void pg.connectBridge({ url: url.value.trim(), token: token.value.trim() });
          }}
        >
          {state.kind === 'locked' ? <p>{LOCKED}</p> : null}
          <p>You can also use agents on your own machine here. Start a bridge for yours, then paste what it prints:</p>
          <pre tabIndex={0}>{command.split(' ').map((word, index) => [index > 0 ? ' ' : '', <span>{word}</span>])}</pre>
          <Copy what="command" text={command} />
          <p>Whoever has the token acts with your agent’s rights. It stays in this tab’s memory, and is gone when you leave.</p>
          {['localhost', '127.0.0.1', '[::1]'].includes(location.hostname) ? null : (
            <p>
              <strong>Your browser will ask</strong> whether this site may reach devices on your local network. That is the bridge on your
              own machine. Without it, the connection fails.
            </p>
          )}
          <label class="rp-choice">
            <span>Bridge address</span>
            <input
              class="rp-field rp-code"
              value={url.value}
              spellcheck={false}
              onInput={(event) => (url.value = event.currentTarget.value)}
            />
          </label>
          <label class="rp-choice">
            <span>Token</span>
            <input
              class="rp-field rp-code"
              type="password"
              autocomplete="off"
              value={token.value}
              onInput={(event) => (token.value = event.currentTarget.value)}
            />
          </label>
          <p class="rp-problem" aria-live="assertive">
            {state.kind === 'failed' || state.kind === 'lost' ? state.why : ''}
          </p>
          <div class="rp-row">
            <Button tone="main" disabled={state.kind === 'connecting'}>
              {state.kind === 'connecting' ? 'Connecting' : 'Connect'}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
