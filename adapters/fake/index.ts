/** How the composition root gets a fake engine: as a process of its own. */
import { type EngineProcess, startEngineProcess } from '../host/start-process.ts'
import { moduleBeside, type OnChildFault } from '../../src/process/supervise.ts'
import type { FakeFaults } from './train.ts'

/** @throws AppError when the engine cannot start */
export const startFakeEngine = (options: {
  dataDir: string
  faults?: FakeFaults
  onFault: OnChildFault
}): Promise<EngineProcess> =>
  startEngineProcess({
    name: 'fake',
    entry: moduleBeside(import.meta.url, 'process'),
    dataDir: options.dataDir,
    onFault: options.onFault,
    env: options.faults ? { FAKE_FAULTS: JSON.stringify(options.faults) } : {},
  })
