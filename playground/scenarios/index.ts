/** All scenarios by what they teach, in order. The first is the one a newcomer sees. */
import type { Tier } from '../../src/engine/types.ts';
import type { Expectation, Scenario, Step } from './types.ts';

const say = (note: string, what: string, expect?: Expectation): Step => ({ note, do: 'send', what, expect });
const tell = (what: string, note = 'Tell the agent something.') => say(note, what, { tier: 'new', status: 'live' });
const ask = (what: string, tier: Tier, reply: string, note = 'Ask for it back.') =>
  say(note, what, { tier, reply, status: 'live', ...(tier === 'load' ? { verified: 'replay-matched' } : {}) });
const sleep = (note = 'Host and agent are gone after it.'): Step => ({ note, do: 'sleep', expect: { status: 'asleep' } });

const NO_START: Expectation = { error: ['agent_exited', 'agent_start_failed'], status: 'dead' };

type Usual = Pick<Scenario, 'agent' | 'bridge' | 'policy' | 'protocol'>;
const USUAL: Usual = { agent: 'native', bridge: true, policy: 'auto', protocol: 'v1' };

export const PAGES = 'reference/advanced/architecture/sessions-and-persistence/';

const BY_LESSON = {
  'Coming back': [
    {
      name: 'native-resume',
      title: 'A session sleeps and comes back',
      watch: 'Watch the machine: after Sleep no agent runs at all, and the next prompt lights up session/resume.',
      look: 'Machine',
      read: `${PAGES}native-resume/`,
      steps: [
        tell('My cat is called Ada.'),
        sleep(),
        ask('What is my cat called?', 'resume', 'Ada', 'Ask for it back. The prompt itself wakes the host and the agent.'),
      ],
      end: 'The process that heard the fact is gone. Another one answered, because the agent kept its own session and the host kept its id.',
    },
    {
      name: 'load-replay',
      title: 'An agent that replays',
      watch: 'Watch the wire fill with the replay, and the database not: what is already in the log is matched, not stored again.',
      look: 'Wire',
      read: `${PAGES}replay/`,
      agent: 'load',
      steps: [
        tell('My boat is called Argo.'),
        sleep(),
        ask('What is my boat called?', 'load', 'Argo', 'Ask for it back. The agent has no session/resume, so it loads and replays.'),
      ],
      end: 'Every replayed message was found in the log, and the log has each of them once.',
    },
    {
      name: 'transcript-fallback',
      title: 'An agent with no memory of its own',
      watch: 'Watch the transcript, then the prompt on the wire: the record of the conversation is in front of it, once.',
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
  ],
  'When the agent forgets, or lies': [
    {
      name: 'unknown-session',
      title: 'An error that says nothing',
      watch: 'Watch the resume report: the agent’s error is opaque, so the host looks for proof in its list of sessions.',
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
      name: 'store-deleted',
      title: 'The agent’s store is deleted',
      watch: 'Watch the report’s first attempt: the agent could resume before, and now does not know the session.',
      look: 'Resume report',
      read: `${PAGES}resume-decision/`,
      bridge: false,
      steps: [
        tell('My ship is called Calypso.'),
        sleep(),
        { note: 'The agent’s own memory is gone.', do: 'forget-store' },
        ask('What is my ship called?', 'transcript', 'Calypso'),
      ],
      end: 'The host’s record lasts. It brought back what the agent had lost, and the report says so.',
    },
    {
      name: 'lying-agent',
      title: 'An agent that lies',
      watch: 'Watch the report: the agent claims it loaded the session, but replays nothing. The host does not accept that as a success.',
      look: 'Resume report',
      read: `${PAGES}native-resume/`,
      agent: 'liar',
      steps: [tell('My dog is called Argos.'), sleep(), ask('What is my dog called?', 'transcript', 'Argos')],
      end: 'The host checks a success, too. An empty replay, where messages were expected, is silent amnesia, and was caught.',
    },
    {
      name: 'late-replay',
      title: 'A replay that comes late',
      watch: 'Watch the wire: the answer to session/load arrives in the middle of the replay.',
      look: 'Wire',
      read: `${PAGES}replay/`,
      agent: 'late',
      steps: [
        tell('My village is called Ithaca.'),
        say('Tell it more.', 'My river is called Lethe.', { tier: 'live' }),
        sleep(),
        ask('What is my village called?', 'load', 'Ithaca', 'Ask for the first thing back.'),
      ],
      end: 'The host waited for the rest of the replay before it sent the prompt, and stored none of it twice.',
    },
    {
      name: 'never-prompted',
      title: 'A session that was never prompted',
      watch: 'Watch the report: the agent forgot a session in which nothing was said, so nothing is lost.',
      look: 'Resume report',
      read: `${PAGES}resume-cases/`,
      agent: 'never-prompted-forgets',
      steps: [
        { note: 'The agent is started once, and nothing is said.', do: 'create' },
        sleep(),
        tell('My lamp is called Aladdin.', 'Send the first prompt.'),
      ],
      end: 'With an empty log there is nothing to tell a successor, so a plain new agent session is the honest answer.',
    },
  ],
  'When something dies': [
    {
      name: 'crash-mid-turn',
      title: 'The agent dies in the middle of a turn',
      watch: 'Watch the conversation: what was said before the crash stays, and the turn is marked interrupted, not sent again.',
      look: 'Conversation',
      read: `${PAGES}sleep-and-wake/`,
      steps: [
        tell('My sword is called Durendal.'),
        { note: 'The agent will be killed at the first word of its next answer.', do: 'arm-crash' },
        say('Start a turn it cannot finish.', 'Count to 20', { error: 'turn_outcome_unknown', status: 'dead' }),
        ask('What is my sword called?', 'resume', 'Durendal', 'Go on. The interrupted turn blocks nothing.'),
      ],
      end: 'Nobody knows whether the agent did the work, so the prompt was not sent again by itself. The session went on.',
    },
    {
      name: 'dropped-connection',
      title: 'The line is cut',
      watch: 'Watch the agent’s status: a cut line reads as an abnormal end, never as a clean one.',
      look: 'Machine',
      read: `${PAGES}processes/`,
      steps: [
        tell('My island is called Ogygia.'),
        { note: 'The line between host and agent is cut.', do: 'drop', expect: { status: 'dead' } },
        ask('What is my island called?', 'resume', 'Ogygia'),
      ],
      end: 'A lost connection costs the process at the other end, and nothing that was said.',
    },
    {
      name: 'failed-start',
      title: 'The agent does not even start',
      watch: 'Watch the database while the prompt fails: no half-written row, and no process is left.',
      look: 'Database',
      read: `${PAGES}processes/`,
      agent: 'crash-initialize',
      steps: [
        say('Send a prompt to an agent that dies while it starts.', 'Are you there?', NO_START),
        say('Try once more: the same happens, and nothing piles up.', 'Are you there now?', NO_START),
      ],
      end: 'What fails before the first commit leaves no turn. The error says what happened and what to do.',
    },
    {
      name: 'permission-at-sleep',
      title: 'A question is open when the host sleeps',
      watch: 'Watch the question: once its turn is gone, nobody can answer it any more, and the page says so.',
      look: 'Conversation',
      read: 'guides/permissions/',
      steps: [
        { note: 'Let the agent ask for permission.', do: 'send', what: 'Ask for permission', asks: true, expect: { status: 'prompting' } },
        sleep('Sleep instead of answering.'),
        { note: 'Ask again.', do: 'send', what: 'Ask for permission', asks: true, expect: { tier: 'resume', status: 'prompting' } },
        { note: 'Answer this time.', do: 'allow', expect: { status: 'live' } },
      ],
      end: 'The first question was withdrawn with its turn. No button is left that leads nowhere.',
    },
  ],
  'On your terms': [
    {
      name: 'strict-policy',
      title: 'Native or not at all',
      watch: 'Watch the policy: strict never falls back, so the prompt fails and nothing is sent.',
      look: 'Policy',
      read: `${PAGES}resume-decision/`,
      agent: 'amnesiac',
      steps: [
        tell('My tower is called Babel.'),
        sleep(),
        { note: 'Only the agent’s own way back is allowed now.', do: 'policy', what: 'strict' },
        say('Ask for it back. The agent has no way back.', 'What is my tower called?', { error: 'session_not_resumable' }),
        { note: 'The transcript is allowed again.', do: 'policy', what: 'auto' },
        ask('What is my tower called?', 'transcript', 'Babel', 'Ask again.'),
      ],
      end: 'You decide which loss is acceptable. Under strict, a session comes back from the agent’s own memory or not at all.',
    },
    {
      name: 'two-clients',
      title: 'An editor and this page, one session',
      watch: 'Watch the editor and the conversation: each shows what was said in the other, and both get it from the host.',
      look: 'Editor',
      read: 'guides/several-clients/',
      steps: [
        tell('My comet is called Halley.'),
        { note: 'A second client opens the session, over ACP, as an editor does.', do: 'open' },
        {
          note: 'Ask there. The page shows the turn as it is stored.',
          do: 'ask',
          what: 'What is my comet called?',
          expect: { tier: 'live', reply: 'Halley' },
        },
        sleep('The host is gone, and with it the editor’s connection.'),
        {
          note: 'Ask there again. That wakes host and agent, whoever does it.',
          do: 'ask',
          what: 'What is my comet called?',
          expect: { tier: 'resume', reply: 'Halley' },
        },
        ask('What do you remember?', 'live', 'Halley', 'Say something here. The editor shows it, too.'),
      ],
      end: 'Both are clients of one host. The session is the host’s, so either of them can leave, and find everything when it returns.',
    },
    {
      name: 'next-version',
      title: 'An agent that speaks version 2',
      watch: 'Watch the wire: version 2 of ACP, a draft, has no session/load, and answers a prompt before its turn is over.',
      look: 'Wire',
      read: 'guides/acp-v2/',
      protocol: 'v2',
      steps: [
        tell('My star is called Vega.'),
        sleep(),
        ask('What is my star called?', 'resume', 'Vega', 'Ask for it back. In version 2, session/resume works with a replay and without.'),
      ],
      end: 'The log keeps what was said in the version it was said in. Under Advanced, you can choose the version for any agent.',
    },
    {
      name: 'own-agent',
      title: 'Bring your own agent',
      watch:
        'Watch which tier your agent takes, and the report’s evidence for it. Its files are on your disk: it acts with its own rights.',
      look: 'Resume report',
      read: 'guides/playground/',
      agent: 'own',
      steps: [
        say('Tell your agent something.', 'My lighthouse is called Pharos.'),
        sleep('Its whole process tree ends.'),
        say('Ask for it back.', 'What is my lighthouse called?', { status: 'live' }),
      ],
      end: 'For a full examination of your agent, run: npx acp-rehydrate doctor -- YOUR-AGENT.',
    },
    {
      name: 'free',
      title: 'Free play',
      watch: 'Say what you like, break what you like, and watch what comes back.',
      look: 'Machine',
      read: 'start/what-it-is/',
      steps: [],
      end: '',
    },
  ],
} satisfies Readonly<Record<string, readonly (Omit<Scenario, 'lesson' | keyof Usual> & Partial<Usual>)[]>>;

export const LESSONS = Object.keys(BY_LESSON);

export const SCENARIOS: readonly Scenario[] = Object.entries(BY_LESSON).flatMap(([lesson, scenarios]) =>
  scenarios.map((scenario) => ({ ...USUAL, lesson, ...scenario })),
);

export function scenarioNamed(name: string | undefined): Scenario {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? SCENARIOS[0]!;
}

export type { Scenario } from './types.ts';
