/**
 * What a first turn does not need: telling refusals apart, matching replays, rendering the transcript, settings, signing in, deleting. It is a
 * module of its own so that a bundler can keep it out of what a page loads first; see `load-resuming.ts`.
 */
export { createAuthenticating } from './authenticating.ts';
export { deleteSession } from './deleting.ts';
export { applySetting } from './settings.ts';
export { classifyResumeFailure } from '../resume/classify.ts';
export { settleLeftBehind, wake } from './waking.ts';
export { recallKnown } from './recall.ts';
export { renderPreamble, renderRecord } from './preamble.ts';
