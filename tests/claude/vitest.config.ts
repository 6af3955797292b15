import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'claude',
    include: ['*.test.ts'],
    // Another's program: what it does once in many runs is named in the list as a retry; what it does twice fails.
    retry: 1,
    // A real program: its start alone takes seconds. A home of its own for each file, so files run side by side.
    testTimeout: 400_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    maxWorkers: 2,
  },
});
