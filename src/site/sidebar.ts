/** The reading order of the site: the sidebar, and with it previous and next. */
import { apiSlugs } from './lib/api-pages.ts';
import { agentSlug, compatRecords } from './lib/compat-records.ts';

const under = (folder: string, ...pages: readonly string[]) => pages.map((page) => `${folder}/${page}`);
const overview = (slug: string) => ({ label: 'Overview', slug });

const SESSIONS = 'reference/advanced/architecture/sessions-and-persistence';
const sessions = [
  overview(SESSIONS),
  ...under(SESSIONS, 'promises', 'layers', 'create-and-prompt', 'sleep-and-wake', 'resume-decision', 'resume-cases', 'native-resume'),
  ...under(SESSIONS, 'replay', 'transcript', 'unknown-sessions', 'storage', 'records', 'processes', 'security', 'performance', 'scale'),
  ...under(SESSIONS, 'design-limits', 'decisions'),
];

const BUILD = ['client', 'agent', 'doctor', 'node', 'permissions', 'several-clients', 'test', 'acp-v2', 'database'];
const OPERATE = ['production', 'secrets', 'observe', 'growth', 'back-up', 'upgrade', 'troubleshoot', 'rivetkit', 'rivetkit-cluster'];
const REFERENCE = ['command', 'server', 'bridge', 'schema', 'events', 'resume-report', 'limits', 'errors', 'compatibility', 'glossary'];

export const sidebar = [
  {
    label: 'Start',
    items: [
      ...under('start', 'what-it-is', 'quick-start', 'compare', 'install', 'tutorial'),
      { label: 'Playground', link: '/playground/' },
      ...under('start', 'scenarios', 'faq'),
    ],
  },
  {
    label: 'Guides',
    items: [
      { label: 'Your agent', items: ['guides/agents', ...compatRecords.map(agentSlug)] },
      { label: 'Editors', items: under('guides/editors', 'any', 'zed', 'jetbrains', 'neovim', 'emacs') },
      { label: 'Build', items: under('guides', ...BUILD) },
      { label: 'Operate', items: under('guides', ...OPERATE) },
      ...under('guides', 'playground', 'deploy'),
    ],
  },
  {
    label: 'Reference',
    items: [
      { label: 'Library', items: [overview('reference/library'), ...apiSlugs] },
      ...under('reference', ...REFERENCE),
      { label: 'Advanced', items: [{ label: 'Architecture', items: [{ label: 'Sessions & Persistence', items: sessions }] }] },
    ],
  },
];

type Item = string | { readonly slug?: string; readonly link?: string; readonly items?: readonly Item[] };

/** The pages' paths, in the order of the sidebar: `guides/client/`. */
export function readingOrder(items: readonly Item[]): readonly string[] {
  return items.flatMap((item) => {
    const { slug, items: inner = [] } = typeof item === 'string' ? { slug: item } : item;
    return [...(slug ? [`${slug}/`] : []), ...readingOrder(inner)];
  });
}
