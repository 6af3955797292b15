import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'rivetkit',
    include: ['*.test.ts'],
    // Another's program: what it does once in many runs is named in the list as a retry; what it does twice fails.
    retry: 1,
    // One engine for each file; it takes seconds to be ready, and most of a test is waiting for it to notice.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    maxWorkers: 2,
  },
});
