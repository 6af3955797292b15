/** The pictures of the architecture pages, drawn from the code's own tables where it has them. */
import texts from '../../../content/data/diagrams.json';
import { TRANSITIONS, type StateName } from '../../engine/sessions/session.ts';
import type { TurnEnded } from '../../engine/types.ts';

type Point = readonly [x: number, y: number];

export interface DiagramOf {
  readonly caption: string;
  /** What it says to those who do not see it. */
  readonly title: string;
  readonly desc: string;
  readonly size: readonly [width: number, height: number];
  readonly boxes: readonly {
    readonly text: string | readonly string[];
    readonly at: readonly [x: number, y: number, width: number, height: number];
    readonly kind?: 'strong' | 'dashed' | 'stop' | 'end' | undefined;
  }[];
  /** Paths; an arrow has a head at its end. */
  readonly arrows?: readonly string[];
  readonly lines?: readonly string[];
  readonly labels?: readonly { readonly text: string; readonly at: Point; readonly kind: 'small' | 'small start' }[];
}

const ROWS = [
  { y: 8, height: 40, boxes: ['your program', 'command', 'playground'] },
  {
    y: 72,
    height: 56,
    boxes: [
      ['lease · prompt', 'resume · replay'],
      ['transcript', 'storage'],
    ],
    kind: 'strong',
  },
  { y: 152, height: 40, boxes: ['SqlDatabase', 'AgentLauncher'], kind: 'dashed' },
  {
    y: 216,
    height: 56,
    boxes: [
      ['sql.js · node:sqlite', 'RivetKit'],
      ['stdio · WebSocket', 'worker'],
    ],
  },
  { y: 296, height: 40, boxes: ['a database', 'an agent process'] },
] as const;

export const layers: DiagramOf = {
  ...texts.layers,
  size: [340, 348],
  boxes: ROWS.flatMap(({ y, height, boxes, ...rest }) => {
    const width = (340 - 8 * boxes.length) / boxes.length;
    return boxes.map((text, i) => ({ text, at: [4 + i * (width + 8), y, width, height] as const, ...rest }));
  }),
  arrows: ROWS.slice(1).map(({ y }) => `M170 ${y - 22}v19`),
};

const STEPS = [
  { box: 'session/resume', works: 'works, not unlisted', end: 'resume', down: ['lost · unsupported', 'unlisted · unclear'] },
  { box: 'session/load', works: 'replay matches', end: 'load', down: ['lost · unsupported', 'replay does not match · unclear'] },
  { box: 'session/list', works: 'listed, or no proof', end: 'stop', down: ['absent', 'or the last answer was clear'] },
  { box: 'policy?', works: 'strict', end: 'stop', down: ['auto'] },
  { box: 'session/new', works: 'with a transcript', end: 'transcript', down: [] },
] as const;
const stepAt = (i: number) => 8 + i * 92;

export const decision: DiagramOf = {
  ...texts.decision,
  size: [340, 490],
  boxes: STEPS.flatMap(({ box, end }, i) => [
    { text: box, at: [4, stepAt(i), 118, 40], kind: 'strong' },
    { text: end, at: [252, stepAt(i) + 2, 84, 36], kind: end === 'stop' ? 'stop' : 'end' },
  ]),
  arrows: STEPS.flatMap(({ down }, i) => [`M122 ${stepAt(i) + 20}h128`, ...(down.length > 0 ? [`M63 ${stepAt(i) + 40}v50`] : [])]),
  labels: [
    ...STEPS.flatMap(({ works, down }, i) => [
      { text: works, at: [184, stepAt(i) + 13], kind: 'small' } as const,
      ...down.map((text, line) => ({ text, at: [72, stepAt(i) + 58 + line * 15], kind: 'small start' }) as const),
    ]),
    { text: 'policy transcript, or no id yet: begins at session/new', at: [170, 468], kind: 'small' },
    { text: 'stops at once: sign-in · busy · hang · crash · a limit', at: [170, 484], kind: 'small' },
  ],
};

export const schema: DiagramOf = {
  ...texts.schema,
  size: [340, 210],
  boxes: [
    { text: 'acp_sessions', at: [90, 8, 160, 40], kind: 'strong' },
    { text: 'acp_session_events', at: [28, 88, 136, 36] },
    { text: 'acp_turns', at: [176, 88, 136, 36] },
    { text: 'acp_agent_sessions', at: [28, 132, 136, 36] },
    { text: 'workspace_files', at: [176, 132, 136, 36] },
  ],
  lines: ['M28 150H20V70H320V150H312M82 88V70M258 88V70'],
  arrows: ['M170 70V50'],
  labels: [{ text: 'all by session_id; deleting a session deletes its rows', at: [170, 194], kind: 'small' }],
};

const PLACES: Readonly<Record<StateName, Point>> = {
  asleep: [96, 24],
  starting: [290, 150],
  resuming: [150, 150],
  live: [222, 262],
  prompting: [222, 380],
  ending: [52, 321],
};
const [WIDTH, HEIGHT] = [94, 36];

const moves = [...Map.groupBy(TRANSITIONS, ({ from, to }) => `${from} ${to}`).values()].map((same) => {
  const { from, to } = same[0]!;
  const goesBack = TRANSITIONS.some((other) => other.from === to && other.to === from);
  const [ax, ay] = PLACES[from];
  const [dx, dy] = [PLACES[to][0] - ax, PLACES[to][1] - ay];
  // There and back are two lines beside each other.
  const aside = goesBack ? 12 / Math.hypot(dx, dy) : 0;
  const [ox, oy] = [-dy * aside, dx * aside];
  const at = (share: number): Point => [Math.round(ax + ox + dx * share), Math.round(ay + oy + dy * share)];
  /** How much of the line lies inside the box that it leaves (-1), or that it reaches (1). */
  const inside = (end: -1 | 1): number =>
    Math.min(
      (WIDTH / 2 + end * ox * Math.sign(dx)) / (Math.abs(dx) || 0.1),
      (HEIGHT / 2 + end * oy * Math.sign(dy)) / (Math.abs(dy) || 0.1),
    );
  const [x, y] = at(0.4);
  return {
    arrow: `M${at(inside(-1)).join(' ')} ${at(1 - inside(1)).join(' ')}`,
    labels: same.map(({ on: text }, i) => ({ text, at: [x, y + 4 + i * 14], kind: 'small' }) as const),
  };
});

export const sessionStates: DiagramOf = {
  ...texts.sessionStates,
  size: [340, 406],
  boxes: Object.entries(PLACES).map(([text, [x, y]]) => ({ text, at: [x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT] })),
  arrows: moves.map(({ arrow }) => arrow),
  labels: moves.flatMap(({ labels }) => labels),
};

/** How a turn can end; the type makes a state without a place in it a compile error. */
const ENDS: Readonly<Record<TurnEnded['state'], string>> = {
  completed: 'the agent answered',
  cancelled: 'it answered after session/cancel',
  failed: 'it answered with an error',
  interrupted: 'it did not answer: nobody knows',
};
const ends = Object.entries(ENDS).map(([state, when], i) => ({ state, when, y: 84 + i * 52 }));

export const turnStates: DiagramOf = {
  ...texts.turnStates,
  size: [340, 262],
  boxes: [
    { text: 'running', at: [4, 4, WIDTH, HEIGHT] },
    ...ends.map(({ state, y }) => ({ text: state, at: [236, y - 18, 100, HEIGHT] as const })),
  ],
  lines: [`M16 40V${ends.at(-1)!.y}`],
  arrows: ends.map(({ y }) => `M16 ${y}H234`),
  labels: ends.map(({ when, y }) => ({ text: when, at: [22, y - 6], kind: 'small start' })),
};
