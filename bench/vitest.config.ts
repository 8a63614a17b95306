/** Tests of the laboratory, which are not part of `npm test`: `npm run test:bench`. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['bench/test/**/*.test.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
