import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build.ts', 'test/postgres-server.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // a process for each file: native ONNX sessions hold memory until their process ends, and tests
    // that shared a process failed by what an earlier file had left behind
    pool: 'forks',
    // many files wait for a process more than they compute
    maxWorkers: 3,
  },
})
