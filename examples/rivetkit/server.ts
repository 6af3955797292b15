/**
 * A runner: a process that runs the actors. `node server.ts AGENT [ARG…]`
 *
 * By itself it starts RivetKit's engine on 127.0.0.1:6420 beside it; with RIVET_ENDPOINT it joins the engine there, and
 * several of it share the actors. RIVET_ENVOY_VERSION, higher with each deploy, makes the older ones hand theirs over.
 */
// #region server
import { stdioLauncher } from 'acp-rehydrate/stdio';
import { sessionActor } from 'acp-rehydrate/rivetkit';
import { serveAcp } from 'acp-rehydrate/server';
import { actor, setup, UserError } from 'rivetkit';
import { db } from 'rivetkit/db';

const [command = '', ...args] = process.argv.slice(2);

export const sessions = actor(
  sessionActor({
    db: db({}),
    UserError,
    agents: stdioLauncher({ agents: { mine: { command, args } } }),
    permission: 'reject',
    sleepTimeout: 60_000,
    // For editors: see “From an editor”.
    serveAcp,
  }),
);

export const registry = setup({
  use: { sessions },
  // RivetKit takes 64 KiB and gives 1 MiB in one message unless told otherwise.
  maxIncomingMessageSize: 20 * 1024 * 1024,
  maxOutgoingMessageSize: 32 * 1024 * 1024,
});

registry.start();
// #endregion server
