/** The version of ACP that a run of the tests is in: `ACP=v2` has agents and clients speak the newest one where they can. */
export const IN_V2 = process.env['ACP'] === 'v2';

/** What hosts ask agents for. An agent that speaks only 1 is spoken to in 1. */
export const PROTOCOL = IN_V2 ? 'newest' : 'v1';
