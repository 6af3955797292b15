import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'clients',
    include: ['*.test.ts'],
    // Another's program: what it does once in many runs is named in the list as a retry; what it does twice fails.
    retry: 1,
    testTimeout: 400_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    expect: { poll: { timeout: 120_000 } },
  },
});
