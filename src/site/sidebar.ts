/** The reading order of the site: the sidebar, and with it previous and next. */
const sessions = 'reference/advanced/architecture/sessions-and-persistence';

export const sidebar = [
  {
    label: 'Start',
    items: ['start/what-it-is', 'start/quick-start', 'start/tutorial', { label: 'Playground', link: '/playground/' }],
  },
  {
    label: 'Guides',
    items: [
    ],
  },
  {
    label: 'Reference',
    items: [
      {
        label: 'Advanced',
        items: [
          {
            label: 'Architecture',
            items: [
              {
                label: 'Sessions & Persistence',
                items: [sessions],
              },
            ],
          },
        ],
      },
    ],
  },
];
