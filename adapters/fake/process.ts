/** The fake engine as a process of its own; FAKE_FAULTS holds `FakeFaults` as JSON. */
import { runEngineProcess } from '../host/run-process.ts'
import { createFakeBackend } from './backend.ts'
import type { FakeFaults } from './train.ts'

const faults = JSON.parse(process.env['FAKE_FAULTS'] ?? '{}') as FakeFaults

await runEngineProcess({
  name: 'fake',
  env: process.env,
  createBackend: (dataDir) => createFakeBackend({ dataDir, faults }),
})
