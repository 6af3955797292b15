import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'rivetkit',
    include: ['*.test.ts'],
    // One engine for each file; it takes seconds to be ready, and most of a test is waiting for it to notice.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
    maxWorkers: 2,
  },
});
