/** All scenarios, by lesson, in the order they are offered. The first is the one a newcomer sees. */
import type { Tier } from '../../src/engine/types.ts';
import type { Expectation, Scenario, Step } from './types.ts';

const tell = (say: string, expect: Expectation = { tier: 'new' }): Step => ({ note: 'Tell the agent something.', say, expect });
const ask = (say: string, tier: Tier, reply: string, note = 'Ask for it back.'): Step => ({ note, say, expect: { tier, reply } });
const sleep = (note = 'Host and agent are gone after it.'): Step => ({ note, do: 'sleep', expect: { status: 'asleep' } });

/** What most of them have in common. */
const USUAL = { agent: 'native', bridge: true, policy: 'auto' } as const;

/** Where the architecture pages are. */
const PAGES = 'reference/advanced/architecture/sessions-and-persistence/';

export const SCENARIOS: readonly Scenario[] = [
  {
    ...USUAL,
    name: 'native-resume',
    title: 'A session sleeps and comes back',
    lesson: 'Coming back',
    watch: 'Watch the machine: after Sleep no agent runs at all, and the next prompt lights up session/resume.',
    look: 'Machine',
    read: `${PAGES}native-resume/`,
    steps: [
      tell('My cat is called Ada.', { tier: 'new', status: 'live' }),
      sleep(),
      {
        note: 'Ask for it back. The prompt itself wakes the host and the agent.',
        say: 'What is my cat called?',
        expect: { tier: 'resume', reply: 'Ada', status: 'live' },
      },
    ],
    end: 'The process that heard the fact is gone. Another one answered, because the agent kept its own session and the host kept its id.',
  },
  {
    ...USUAL,
    name: 'load-replay',
    title: 'An agent that replays',
    lesson: 'Coming back',
    watch: 'Watch the wire fill with the replay, and the database not: what is already in the log is matched, not stored again.',
    look: 'Wire',
    read: `${PAGES}replay/`,
    agent: 'load',
    steps: [
      tell('My boat is called Argo.'),
      sleep(),
      {
        note: 'Ask for it back. The agent has no session/resume, so it loads and replays.',
        say: 'What is my boat called?',
        expect: { tier: 'load', verified: 'replay-matched', reply: 'Argo' },
      },
    ],
    end: 'Every replayed message was found in the log, and the log holds each of them once.',
  },
  {
    ...USUAL,
    name: 'transcript-fallback',
    title: 'An agent with no memory of its own',
    lesson: 'Coming back',
    watch: 'Watch the transcript, then the prompt on the wire: the record of the conversation stands in front of it, once.',
    look: 'Transcript',
    read: `${PAGES}transcript/`,
    agent: 'amnesiac',
    steps: [
      tell('My garden is called Eden.'),
      sleep(),
      ask(
        'What is my garden called?',
        'transcript',
        'Eden',
        'Ask for it back. It can neither resume nor load, so a successor gets the record.',
      ),
      ask('And what is my garden called again?', 'live', 'Eden', 'Ask again. The record is not sent a second time.'),
    ],
    end: 'The agent is a new one that read what had been said. The session’s own id never changed.',
  },
  {
    ...USUAL,
    name: 'unknown-session',
    title: 'An error that says nothing',
    lesson: 'When the agent forgets, or lies',
    watch: 'Watch the resume report: the agent’s error is opaque, so its list of sessions is asked for proof.',
    look: 'Resume report',
    read: `${PAGES}unknown-sessions/`,
    agent: 'unknown:opencode',
    steps: [
      tell('My horse is called Bucephalus.'),
      sleep('This agent loses its store with its process.'),
      ask('What is my horse called?', 'transcript', 'Bucephalus'),
    ],
    end: 'An opaque internal error alone never costs a history. Only the proof that the session is gone led to the transcript.',
  },
  {
    ...USUAL,
    name: 'store-deleted',
    title: 'The agent’s store is deleted',
    lesson: 'When the agent forgets, or lies',
    watch: 'Watch the report’s first attempt: the agent could resume before, and now does not know the session.',
    look: 'Resume report',
    read: `${PAGES}resume-decision/`,
    bridge: false,
    steps: [
      tell('My ship is called Calypso.'),
      sleep(),
      { note: 'What the agent kept for itself is gone.', do: 'forget-store' },
      ask('What is my ship called?', 'transcript', 'Calypso'),
    ],
    end: 'The host’s record is the one that lasts. It brought back what the agent had lost, and the report says so.',
  },
  {
    ...USUAL,
    name: 'lying-agent',
    title: 'An agent that lies',
    lesson: 'When the agent forgets, or lies',
    watch: 'Watch the report: the agent claims it loaded the session, but replays nothing. That is not taken for a success.',
    look: 'Resume report',
    read: `${PAGES}native-resume/`,
    agent: 'liar',
    steps: [tell('My dog is called Argos.'), sleep(), ask('What is my dog called?', 'transcript', 'Argos')],
    end: 'A success is checked too. An empty replay where messages were expected is silent amnesia, and was caught.',
  },
  {
    ...USUAL,
    name: 'late-replay',
    title: 'A replay that comes late',
    lesson: 'When the agent forgets, or lies',
    watch: 'Watch the wire: the answer to session/load arrives in the middle of the replay.',
    look: 'Wire',
    read: `${PAGES}replay/`,
    agent: 'late',
    steps: [
      tell('My village is called Ithaca.'),
      { note: 'Tell it more.', say: 'My river is called Lethe.', expect: { tier: 'live' } },
      sleep(),
      {
        note: 'Ask for the first thing back.',
        say: 'What is my village called?',
        expect: { tier: 'load', verified: 'replay-matched', reply: 'Ithaca' },
      },
    ],
    end: 'The host waited for the rest of the replay before it sent the prompt, and stored none of it twice.',
  },
  {
    ...USUAL,
    name: 'crash-mid-turn',
    title: 'The agent dies in the middle of a turn',
    lesson: 'When something dies',
    watch: 'Watch the conversation: what was said before the crash stays, and the turn is marked interrupted, not sent again.',
    look: 'Conversation',
    read: `${PAGES}sleep-and-wake/`,
    steps: [
      tell('My sword is called Durendal.'),
      { note: 'The agent will be killed at the first word of its next answer.', do: 'arm-crash' },
      { note: 'Start a turn it cannot finish.', say: 'Count to 20', expect: { error: 'turn_outcome_unknown', status: 'dead' } },
      {
        note: 'Go on. The interrupted turn blocks nothing.',
        say: 'What is my sword called?',
        expect: { tier: 'resume', reply: 'Durendal', status: 'live' },
      },
    ],
    end: 'Whether the agent did the work is unknown, so it was never repeated by itself. The session went on.',
  },
  {
    ...USUAL,
    name: 'dropped-connection',
    title: 'The line is cut',
    lesson: 'When something dies',
    watch: 'Watch the agent’s status: a cut line reads as an abnormal end, never as a clean one.',
    look: 'Machine',
    read: `${PAGES}processes/`,
    steps: [
      tell('My island is called Ogygia.', { tier: 'new', status: 'live' }),
      { note: 'The line between host and agent is cut.', do: 'drop', expect: { status: 'dead' } },
      { note: 'Ask for it back.', say: 'What is my island called?', expect: { tier: 'resume', reply: 'Ogygia', status: 'live' } },
    ],
    end: 'A lost connection costs the process at the other end, and nothing that was said.',
  },
  {
    ...USUAL,
    name: 'failed-start',
    title: 'The agent does not even start',
    lesson: 'When something dies',
    watch: 'Watch the database while the prompt fails: no half-written row, and no process is left.',
    look: 'Database',
    read: `${PAGES}processes/`,
    agent: 'crash-initialize',
    steps: [
      {
        note: 'Send a prompt to an agent that dies while it starts.',
        say: 'Are you there?',
        expect: { error: ['agent_exited', 'agent_start_failed'], status: 'dead' },
      },
      {
        note: 'Try once more: it is the same, and nothing piles up.',
        say: 'Are you there now?',
        expect: { error: ['agent_exited', 'agent_start_failed'], status: 'dead' },
      },
    ],
    end: 'What fails before the first commit leaves no turn. The error says what happened and what to do.',
  },
  {
    ...USUAL,
    name: 'never-prompted',
    title: 'A session that was never prompted',
    lesson: 'When the agent forgets, or lies',
    watch: 'Watch the report: the agent forgot a session in which nothing was said, and nothing is lost by that.',
    look: 'Resume report',
    read: `${PAGES}resume-cases/`,
    agent: 'never-prompted-forgets',
    steps: [
      { note: 'The agent is started once, and nothing is said.', do: 'create' },
      sleep(),
      { note: 'Send the first prompt.', say: 'My lamp is called Aladdin.', expect: { tier: 'new', status: 'live' } },
    ],
    end: 'With an empty log there is nothing to tell a successor, so a plain new agent session is the honest answer.',
  },
  {
    ...USUAL,
    name: 'permission-at-sleep',
    title: 'A question is open when the host sleeps',
    lesson: 'When something dies',
    watch: 'Watch the question: once the turn is gone nobody can answer it any more, and the page says so.',
    look: 'Conversation',
    read: 'guides/permissions/',
    steps: [
      { note: 'Let the agent ask for permission.', say: 'Ask for permission', until: 'permission', expect: { status: 'prompting' } },
      sleep('Sleep instead of answering.'),
      { note: 'Ask again.', say: 'Ask for permission', until: 'permission', expect: { tier: 'resume', status: 'prompting' } },
      { note: 'Answer this time.', do: 'answer', answer: 'allow', expect: { status: 'live' } },
    ],
    end: 'The first question was withdrawn with its turn. No button is left that leads nowhere.',
  },
  {
    ...USUAL,
    name: 'strict-policy',
    title: 'Native or not at all',
    lesson: 'On your terms',
    watch: 'Watch the policy: strict never falls back, so the prompt fails and nothing is sent.',
    look: 'Policy',
    read: `${PAGES}resume-decision/`,
    agent: 'amnesiac',
    steps: [
      tell('My tower is called Babel.'),
      sleep(),
      { note: 'Only the agent’s own way back is allowed now.', do: 'policy', policy: 'strict' },
      { note: 'Ask for it back. The agent has no way back.', say: 'What is my tower called?', expect: { error: 'session_not_resumable' } },
      { note: 'The transcript is allowed again.', do: 'policy', policy: 'auto' },
      ask('What is my tower called?', 'transcript', 'Babel', 'Ask again.'),
    ],
    end: 'Which loss is acceptable is yours to decide. Under strict a session is either the agent’s own or an error.',
  },
  {
    ...USUAL,
    name: 'own-agent',
    title: 'Bring your own agent',
    lesson: 'On your terms',
    watch: 'Watch which tier your agent takes, and the report’s evidence for it. Its files are on your disk: it acts with its own rights.',
    look: 'Resume report',
    read: 'guides/playground/',
    agent: 'own',
    steps: [
      { note: 'Tell your agent something.', say: 'Remember this for later: my lighthouse is called Pharos.' },
      sleep('Its whole process tree ends.'),
      { note: 'Ask for it back.', say: 'What is my lighthouse called?', expect: { status: 'live' } },
    ],
    end: 'For a full examination of your agent, run: npx acp-rehydrate doctor -- YOUR-AGENT.',
  },
  {
    ...USUAL,
    // No steps: the free playground every scenario ends in.
    name: 'free',
    title: 'Free play',
    lesson: 'On your terms',
    watch: 'Say what you like, break what you like, and watch what comes back.',
    look: 'Machine',
    read: 'start/what-it-is/',
    steps: [],
    end: '',
  },
];

export function scenarioNamed(name: string | undefined): Scenario {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? SCENARIOS[0]!;
}

export type { Scenario } from './types.ts';
