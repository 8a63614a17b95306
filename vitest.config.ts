import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // native ONNX sessions hold memory until their process ends: one process per file, two at a time
    pool: 'forks',
    maxWorkers: 2,
  },
})
