/** A command that does the worker's work itself, where no worker leads. */
import type { Config } from '../config/config.ts'
import { loadWorkerId, tryLockDataDir } from '../config/data-dir.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import type { OpenStore, Store } from '../store/store.ts'
import { sleep } from './worker-deps.ts'
import { LEAD, WorkerLeases } from '../worker/leases.ts'

interface Place {
  config: Config
  store: OpenStore
  fault: ReportFault<WorkerFault>
}

/** @returns null, without a call of `use`: a worker of this data directory or of another machine leads */
export const whileLeading = async <T>(
  { config: { dataDir }, store, fault }: Place,
  use: (store: Store, leases: WorkerLeases) => Promise<T>
): Promise<{ value: T } | null> => {
  const unlock = await tryLockDataDir(dataDir, 'worker')
  if (unlock === null) return null
  const ended = new AbortController()
  const leases = new WorkerLeases({
    store,
    workerId: await loadWorkerId(dataDir),
    now: Date.now,
    sleep,
    log: () => {},
    fault,
  })
  try {
    const held = await leases.hold(LEAD)
    if (held === null) return null
    const keeping = leases.keep(ended.signal)
    try {
      return { value: await use(held.store, leases) }
    } finally {
      ended.abort()
      await keeping
      await leases.close()
    }
  } finally {
    await unlock()
  }
}
