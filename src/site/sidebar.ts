/** The reading order of the site: the sidebar, and with it previous and next. */
import { apiSlugs } from './lib/api-pages.ts';
import { agentSlug, compatRecords } from './lib/compat-records.ts';

const sessions = (page: string) => `reference/advanced/architecture/sessions-and-persistence/${page}`;

export const sidebar = [
  {
    label: 'Start',
    items: [
      'start/what-it-is',
      'start/quick-start',
      'start/compare',
      'start/install',
      'start/tutorial',
      { label: 'Playground', link: '/playground/' },
      'start/scenarios',
      'start/faq',
    ],
  },
  {
    label: 'Guides',
    items: [
      { label: 'Your agent', items: ['guides/agents', ...compatRecords.map(agentSlug)] },
      {
        label: 'Editors',
        items: ['guides/editors/any', 'guides/editors/zed', 'guides/editors/jetbrains', 'guides/editors/neovim', 'guides/editors/emacs'],
      },
      {
        label: 'Build',
        items: [
          'guides/client',
          'guides/agent',
          'guides/doctor',
          'guides/node',
          'guides/permissions',
          'guides/several-clients',
          'guides/test',
          'guides/acp-v2',
          'guides/database',
        ],
      },
      {
        label: 'Operate',
        items: [
          'guides/production',
          'guides/secrets',
          'guides/observe',
          'guides/growth',
          'guides/back-up',
          'guides/upgrade',
          'guides/troubleshoot',
          'guides/rivetkit',
          'guides/rivetkit-cluster',
        ],
      },
      'guides/playground',
      'guides/deploy',
    ],
  },
  {
    label: 'Reference',
    items: [
      { label: 'Library', items: [{ label: 'Overview', slug: 'reference/library' }, ...apiSlugs] },
      'reference/command',
      'reference/server',
      'reference/bridge',
      'reference/schema',
      'reference/events',
      'reference/resume-report',
      'reference/limits',
      'reference/errors',
      'reference/compatibility',
      'reference/glossary',
      {
        label: 'Advanced',
        items: [
          {
            label: 'Architecture',
            items: [
              {
                label: 'Sessions & Persistence',
                items: [
                  { label: 'Overview', slug: 'reference/advanced/architecture/sessions-and-persistence' },
                  sessions('promises'),
                  sessions('layers'),
                  sessions('create-and-prompt'),
                  sessions('sleep-and-wake'),
                  sessions('resume-decision'),
                  sessions('resume-cases'),
                  sessions('native-resume'),
                  sessions('replay'),
                  sessions('transcript'),
                  sessions('unknown-sessions'),
                  sessions('storage'),
                  sessions('records'),
                  sessions('processes'),
                  sessions('security'),
                  sessions('performance'),
                  sessions('scale'),
                  sessions('design-limits'),
                  sessions('decisions'),
                ],
              },
            ],
          },
        ],
      },
    ],
  },
];

type Item = string | { readonly slug?: string; readonly link?: string; readonly items?: readonly Item[] };

/** The pages' paths, in the order of the sidebar: `guides/client/`. */
export function readingOrder(items: readonly Item[]): readonly string[] {
  return items.flatMap((item) => {
    if (typeof item === 'string') return [`${item}/`];
    return [...(item.slug ? [`${item.slug}/`] : []), ...readingOrder(item.items ?? [])];
  });
}
