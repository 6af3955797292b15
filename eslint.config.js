import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      '.setup/',
      'dist/',
      'dist.*/',
      'site-dist/',
      '.astro/',
      'node_modules/',
      'coverage/',
      'test-results/',
      'tests/*/node_modules/',
      '**/*.astro',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-empty': ['error', { allowEmptyCatch: false }],
      eqeqeq: 'error',
    },
  },
  {
    // The engine runs in a tab, a Node process and an actor alike.
    files: ['src/engine/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'window',
          'document',
          'navigator',
          'localStorage',
          'indexedDB',
          'self',
          'process',
          'Buffer',
          'require',
          'global',
          '__dirname',
        ].map((name) => ({ name, message: 'The engine has no DOM and no node: in it; use a port.' })),
      ],
    },
  },
  {
    // What may run in a page that is served on plain http, which has no secure context.
    files: ['src/engine/**/*.ts', 'src/server/**/*.ts', 'src/testing/**/*.ts', 'playground/**/*.{ts,tsx}'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'crypto', property: 'randomUUID', message: 'A page on plain http has none; use randomId of src/engine/random-id.ts.' },
      ],
    },
  },
  {
    files: ['scripts/**', '*.config.*', 'tests/**', 'src/cli/**', 'src/bridge/**', 'src/testing/**', 'src/adapters/**'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'Buffer',
          'URL',
          'URLSearchParams',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'setImmediate',
          'fetch',
          'performance',
          'AbortController',
          'AbortSignal',
          'TextEncoder',
          'TextDecoder',
          'structuredClone',
          'queueMicrotask',
          'ReadableStream',
          'WritableStream',
          'TransformStream',
          'WebSocket',
          'crypto',
          'document',
          'window',
          'navigator',
          'globalThis',
          'Response',
          'Worker',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    // TypeScript knows its globals better than a list does.
    files: ['**/*.ts', '**/*.tsx'],
    rules: { 'no-undef': 'off' },
  },
);
