import type { ProcessStatus } from '../../../src/admin/deps.ts'

/** Of a process in which nothing is wrong. */
export const exampleStatus = (changes: Partial<ProcessStatus> = {}): ProcessStatus => ({
  engine: 'onnx',
  engineReachable: true,
  store: 'running',
  worker: 'running',
  log: { queued: 0, queuedBytes: 0, written: 100, dropped: 0, storeFailures: 0 },
  logIsTaken: true,
  routes: 0,
  ...changes,
})
