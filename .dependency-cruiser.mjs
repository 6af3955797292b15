/**
 * Which folder may import which, and that nothing imports itself by way of others. Type-only imports count: a circle of types is a circle
 * to whoever reads it.
 *
 *   site → playground → adapters → engine        cli → server, bridge → adapters → engine
 */

/** What each layer may import, beside itself. */
const ARROWS = {
  'src/engine': [],
  'src/server': ['src/engine'],
  'src/adapters': ['src/engine'],
  'src/bridge': ['src/engine', 'src/adapters'],
  // `demo-agent` is a scripted agent.
  'src/cli': ['src/engine', 'src/adapters', 'src/bridge', 'src/server', 'src/testing/agents'],
  // Scripted agents run in a worker too, and speak that adapter's frames there; on Node they keep their sessions in a directory.
  'src/testing': ['src/engine', 'src/adapters/worker', 'src/adapters/node-sqlite/make-directory.ts'],
  // An editor in the page is a client of the host's agent side.
  playground: ['src/engine', 'src/adapters', 'src/server', 'src/testing'],
  // The docs render the command's own table of options, and what runs recorded.
  'src/site': ['src/engine', 'src/adapters', 'playground', 'src/cli', 'content/data'],
  content: ['src/engine', 'playground', 'src/site'],
  // The library by the names of the built one.
  scripts: ['src/engine', 'src/bridge', 'src/cli', 'src/testing', 'src/site'],
};

/** An adapter may build on another where both are about the same outside thing; a file beside their folders is for all of them. */
const ADAPTER_FRIENDS = { 'node-sqlite': ['node-host'], stdio: ['node-host'], 'node-host': ['node-sqlite', 'stdio'] };

const folders = (names) => names.map((name) => (name.endsWith('.ts') ? `^${name}$` : `^${name}/`));
const ours = folders([...Object.keys(ARROWS), 'tests']);

export default {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      comment: 'No module imports itself by way of others: move what both need into a module of its own.',
      from: {},
      to: { circular: true },
    },
    ...Object.entries(ARROWS).map(([layer, allowed]) => ({
      name: `${layer} → ${allowed.join(', ') || 'nothing'}`,
      severity: 'error',
      from: { path: `^${layer}/` },
      to: { path: ours, pathNot: folders([layer, ...allowed]) },
    })),
    {
      name: 'adapters do not know each other',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)/', pathNot: folders(Object.keys(ADAPTER_FRIENDS).map((name) => `src/adapters/${name}`)) },
      to: { path: '^src/adapters/[^/]+/', pathNot: '^src/adapters/$1/' },
    },
    ...Object.entries(ADAPTER_FRIENDS).map(([name, friends]) => ({
      name: `adapter ${name} → ${friends.join(', ')}`,
      severity: 'error',
      from: { path: `^src/adapters/${name}/` },
      to: { path: '^src/adapters/[^/]+/', pathNot: folders([name, ...friends].map((each) => `src/adapters/${each}`)) },
    })),
    {
      name: 'the engine touches nothing outside',
      severity: 'error',
      comment: 'No package and no node: module but the types of the ACP SDK; what it needs comes through a port.',
      from: { path: '^src/engine/' },
      to: { pathNot: ['^src/engine/', 'node_modules/@agentclientprotocol/sdk/'] },
    },
    {
      name: 'the engine knows only types of the ACP SDK',
      severity: 'error',
      from: { path: '^src/engine/' },
      to: { path: 'node_modules/', dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules|^dist/' },
    exclude: { path: '^(site-dist|\\.astro|scripts/node)/|/node_modules/[^@]*/node_modules/' },
  },
};
