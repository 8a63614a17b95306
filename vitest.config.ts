/**
 * The tests in three rings, by what they need; CONTRIBUTING.md says which to run when.
 *
 * - pure: functions. No process, no socket, no database.
 * - wired: servers and stores within the test's process, one PostgreSQL for all.
 *   Files of both share a worker, so that modules load once: a test leaves nothing of its own behind.
 * - whole: built programs, kills, browsers, native models and long simulations. `npm run test:small` is the part of it
 *   in every check. Beside it run the files that end in `.long.test.ts`: they need nothing more than wired ones but take
 *   longer than twelve seconds.
 */
import { defineConfig } from 'vitest/config'
import { keepFilesInMemory } from './test/memory-folder.ts'

keepFilesInMemory()

const WIRED = [
  'test/*.test.ts',
  'test/{admin,clients,contract,differential,fuzz,page,process,proxy,security,store,worker}/**/*.test.ts',
]

const LONG = 'test/**/*.long.test.ts'

/** Files share a worker. */
const wired = {
  globalSetup: ['test/postgres-server.ts'],
  pool: 'forks' as const,
  isolate: false,
}

const timeouts = { testTimeout: 60_000, hookTimeout: 60_000 }
/** training takes half a minute on a busy machine */
const longTimeouts = { testTimeout: 180_000, hookTimeout: 180_000 }

export default defineConfig({
  test: {
    // many files wait for a process more than they compute
    maxWorkers: 3,
    projects: [
      {
        test: {
          ...timeouts,
          name: 'pure',
          include: ['test/unit/**/*.test.ts'],
          // a process for each worker: some tests measure its processor time
          pool: 'forks',
          isolate: false,
        },
      },
      {
        test: {
          ...timeouts,
          name: 'wired',
          include: WIRED,
          exclude: [LONG],
          ...wired,
        },
      },
      {
        test: { ...longTimeouts, name: 'long', include: [LONG], ...wired },
      },
      {
        test: {
          ...longTimeouts,
          name: 'whole',
          include: ['test/{browser,e2e,faults,onnx,simulations}/**/*.test.ts'],
          globalSetup: ['test/build.ts', 'test/postgres-server.ts'],
          // a process for each file: native sessions hold memory until their process ends
          pool: 'forks',
        },
      },
    ],
  },
})
