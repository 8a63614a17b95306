/**
 * The tests in three rings, by what they need; CONTRIBUTING.md says which to run when.
 *
 * - pure: functions. No process, no socket, no database.
 * - wired: servers and stores within the test's process, one PostgreSQL for all.
 * - whole: built programs, kills, browsers, native models and long simulations. `npm run test:small` is the part of it
 *   in every check. Beside it run the files that end in `.long.test.ts`: they need nothing more than wired ones but take
 *   longer than twelve seconds.
 *
 * Files share a worker, so that modules load once: a test leaves nothing of its own behind. A worker grows to some
 * 600 MB by the native models of its files.
 */
import { defineConfig } from 'vitest/config'
import { keepFilesInMemory } from './test/memory-folder.ts'

keepFilesInMemory()

const WIRED = [
  'test/*.test.ts',
  'test/{admin,clients,contract,differential,fuzz,page,process,proxy,security,store,worker}/**/*.test.ts',
]

const LONG = 'test/**/*.long.test.ts'

/** Processes, because some tests measure their processor time. */
const worker = { pool: 'forks' as const, isolate: false }
const short = { ...worker, testTimeout: 60_000, hookTimeout: 60_000 }
/** training takes half a minute on a busy machine */
const long = { ...worker, testTimeout: 180_000, hookTimeout: 180_000 }

const POSTGRES = 'test/postgres-server.ts'

export default defineConfig({
  test: {
    // many files wait for a process more than they compute
    maxWorkers: 4,
    projects: [
      { test: { ...short, name: 'pure', include: ['test/unit/**/*.test.ts'] } },
      {
        test: { ...short, name: 'wired', include: WIRED, exclude: [LONG], globalSetup: [POSTGRES] },
      },
      { test: { ...long, name: 'long', include: [LONG], globalSetup: [POSTGRES] } },
      {
        test: {
          ...long,
          name: 'whole',
          include: ['test/{browser,e2e,faults,onnx}/**/*.test.ts'],
          globalSetup: ['test/build.ts', POSTGRES],
        },
      },
      {
        test: {
          ...long,
          name: 'simulations',
          include: ['test/simulations/**/*.test.ts'],
          // they measure what a process keeps and computes
          isolate: true,
        },
      },
    ],
  },
})
