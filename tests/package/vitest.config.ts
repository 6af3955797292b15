import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'package',
    include: ['*.test.ts'],
    // Builds, packs and installs, once for all files.
    globalSetup: ['support/setup.ts'],
    // Compilers, npm and a browser: a busy machine is slow, and not wrong.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    teardownTimeout: 60_000,
    maxWorkers: 2,
  },
});
