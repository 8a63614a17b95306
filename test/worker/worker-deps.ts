/** What a worker is opened with in tests: small data, nothing pruned, no upstream to ask again. */
import { parseConfig } from '../../src/config/config.ts'
import { economicsSettings } from '../../src/config/config-files.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'

/** What each test has of its own. */
type Given = 'store' | 'engine' | 'now' | 'sleep' | 'log'

export const workerDeps = (given: Pick<WorkerDeps, Given> & Partial<WorkerDeps>): WorkerDeps => ({
  engineCommands: null,
  config: parseConfig({ DETECT_MIN_SESSIONS: '40', TRAIN_ROWS: '120', HOLDOUT_ROWS: '120' })
    .internalize,
  retention: { bodiesMs: 1e15, recordsMs: 1e15 },
  replayUpstream: null,
  economics: openEconomics(given.store, economicsSettings(parseConfig({}), []), given.now),
  fault: () => {},
  ...given,
})
