/** `acp-rehydrate/rivetkit`: hosts as RivetKit actors. Needs `rivetkit` in your project, not in ours. */
export { rivetkitDatabase, type RivetDb } from './database.ts';
export { sessionActor, type SessionActorContext, type SessionActorOptions, type SessionActorVars } from './actor.ts';
export { EVENTS, type EventsBroadcast } from './broadcast.ts';
export { followSession, type SessionConnection } from './follow.ts';
