import { defineConfig } from 'vitest/config';

const shared = { environment: 'node' as const, testTimeout: 20_000, hookTimeout: 30_000 };

export default defineConfig({
  test: {
    projects: ['unit', 'contract', 'integration', 'faults'].map((name) => ({
      test: {
        ...shared,
        name,
        include: [`tests/${name}/**/*.test.{ts,mjs}`],
        ...(name === 'faults' ? { testTimeout: 600_000, hookTimeout: 60_000 } : {}),
        ...(name === 'integration' ? { testTimeout: 60_000 } : {}),
      },
    })),
  },
});
