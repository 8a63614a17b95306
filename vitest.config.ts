import { defineConfig } from 'vitest/config'

/**
 * Files that need a process of their own: they hold native ONNX sessions, whose memory is freed when
 * the process ends, measure their own memory, or start the built program.
 */
const OWN_PROCESS = [
  'test/{contract,e2e,faults}/**/*.test.ts',
  'test/unit/{onnx-backend,onnx-backend-process,store-thread}.test.ts',
  'test/proxy/memory.test.ts',
]

const common = { testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' } as const

export default defineConfig({
  test: {
    maxWorkers: 3,
    projects: [
      {
        test: {
          ...common,
          name: 'own process',
          include: OWN_PROCESS,
          globalSetup: 'test/build.ts',
        },
      },
      {
        test: {
          ...common,
          name: 'shared process',
          include: ['test/**/*.test.ts'],
          exclude: OWN_PROCESS,
          // one start of a process and one load of the modules for all of these files
          isolate: false,
        },
      },
    ],
  },
})
