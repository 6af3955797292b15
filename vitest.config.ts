import { defineConfig } from 'vitest/config';

// How long a test may take on a machine that is busy with others; ten times as many faults take ten times as long.
const MINUTE_MS = 60_000;
const timeouts = (minutes: number) => ({ testTimeout: minutes * MINUTE_MS, hookTimeout: MINUTE_MS });
const FAULTS_MINUTES = process.env['FAULTS'] === 'full' ? 120 : 12;

export default defineConfig({
  test: {
    projects: ['unit', 'contract', 'integration', 'faults'].map((name) => ({
      test: {
        environment: 'node' as const,
        name,
        include: [`tests/${name}/**/*.test.{ts,mjs}`],
        ...timeouts(name === 'faults' ? FAULTS_MINUTES : 1),
        // What is waited for comes in its time; a second is Vitest's own bound.
        expect: { poll: { timeout: MINUTE_MS / 2 } },
      },
    })),
  },
});
