/** Whether the worker needs the engine, and access to it while it answers. */
import type { Engine } from '../engine/engine.ts'
import { waitsForEngine } from '../lifecycle/transitions.ts'
import type { WorkerDeps } from './deps.ts'
import { watchEngine } from './engine/watch.ts'
import { needsEngine } from './forget.ts'
import { pruneTrainingFiles } from './internalize/training-files.ts'

export interface EngineAccess {
  /** Null when no work needs the engine, or it does not answer. */
  open(): Promise<Engine | null>
  /** A call failed because the engine is away. */
  lost(): void
  /** Deletes training files that no job needs. Does nothing while the engine is away. */
  pruneFiles(): Promise<void>
}

const WITHOUT_ENGINE: EngineAccess = {
  open: async () => null,
  lost: () => {},
  pruneFiles: async () => {},
}

const isNeeded = async ({ store }: WorkerDeps): Promise<boolean> =>
  (await store.internalizations.list()).some(
    ({ state }) => waitsForEngine(state) || state.name === 'live'
  ) || (await needsEngine(store))

export const createEngineAccess = (deps: WorkerDeps): EngineAccess => {
  const { engine, store, fault } = deps
  if (engine === null) return WITHOUT_ENGINE
  const watch = watchEngine(engine, deps)
  return {
    open: async () => ((await isNeeded(deps)) ? watch.present() : null),
    lost: watch.lost,
    async pruneFiles() {
      const present = await watch.present()
      if (present === null) return
      try {
        await pruneTrainingFiles(present, () => store.internalizations.list())
      } catch (error) {
        fault('training-files', error)
      }
    },
  }
}
