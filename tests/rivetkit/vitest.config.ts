import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'rivetkit',
    include: ['*.test.ts'],
    // One engine for each file; it takes seconds to be ready, and most of a test is waiting for it to notice.
    testTimeout: 600_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    maxWorkers: 2,
  },
});
