import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'lighthouse',
    include: ['*.test.mjs'],
    testTimeout: 300_000,
  },
});
