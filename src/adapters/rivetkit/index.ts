/** `acp-rehydrate/rivetkit`: hosts as RivetKit actors. Needs `rivetkit` in your project, not in ours. */
export { joinInserts, rivetkitDatabase, type RivetDb } from './database.ts';
export { EVENTS, sessionActor, type EventsBroadcast, type SessionActorContext, type SessionActorOptions, type SessionActorVars } from './actor.ts';
export { followSession, type SessionConnection } from './follow.ts';
