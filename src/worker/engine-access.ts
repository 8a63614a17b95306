/** Whether the worker needs the engine, and access to it while it answers. */
import { winningArm } from '../core/internalization/internalization.ts'
import type { EngineNeed } from '../core/learn/engine-power.ts'
import type { Engine } from '../engine/engine.ts'
import { isUnfinished } from '../openai/fine-tuning.ts'
import type { WorkerDeps } from './deps.ts'
import { openEnginePower, type EnginePower } from './engine/power.ts'
import { watchEngine } from './engine/watch.ts'
import { needsEngine } from './forget.ts'
import { waitsForEngine } from '../lifecycle/transitions.ts'
import { pruneTrainingFiles } from './internalize/training-files.ts'

export interface EngineState {
  need: EngineNeed | null
  /** null when no work needs it, or it does not answer */
  present: Engine | null
}

export interface EngineAccess {
  open(): Promise<EngineState>
  /** A call failed because the engine is away. */
  lost(): void
  /** Deletes training files that no job needs. Does nothing while the engine is away. */
  pruneFiles(): Promise<void>
  /** Starts and stops the engine's machine, for one worker of all. @returns null: the operator does */
  openPower(deps: WorkerDeps): Promise<EnginePower | null>
}

const WITHOUT_ENGINE: EngineAccess = {
  open: async () => ({ need: null, present: null }),
  lost: () => {},
  pruneFiles: async () => {},
  openPower: async () => null,
}

const needOf = async ({ store }: WorkerDeps, engine: Engine): Promise<EngineNeed | null> => {
  const rows = await store.internalizations.list()
  if (rows.some(({ state }) => waitsForEngine(state)) || (await needsEngine(store))) return 'work'
  const isServed = rows.some(
    (row) =>
      row.state.name === 'live' &&
      row.plan?.engine === engine.name &&
      winningArm(row)?.model === undefined
  )
  return isServed ? 'routes' : null
}

/**
 * Whether any job runs on the engine, also one of another program that shares it. An engine that does
 * not answer counts as idle.
 */
const isTraining = async ({ fault }: WorkerDeps, engine: Engine): Promise<boolean> => {
  try {
    return (await engine.findJobs({})).some(isUnfinished)
  } catch (error) {
    fault('engine-jobs', error)
    return false
  }
}

const pruneFiles = async (deps: WorkerDeps, engine: Engine): Promise<void> => {
  try {
    await pruneTrainingFiles(engine, () => deps.store.internalizations.list())
  } catch (error) {
    deps.fault('training-files', error)
  }
}

export const createEngineAccess = (deps: WorkerDeps): EngineAccess => {
  const { engine, engineCommands } = deps
  if (engine === null) return WITHOUT_ENGINE
  const watch = watchEngine(engine, deps)
  const prune = async (): Promise<void> => {
    const present = await watch.present()
    if (present !== null) await pruneFiles(deps, present)
  }
  const beforeStop = async (): Promise<boolean> => {
    if ((await watch.present()) === null) return true
    if (await isTraining(deps, engine)) return false
    await prune()
    return true
  }
  return {
    async open() {
      const need = await needOf(deps, engine)
      return { need, present: need === null ? null : await watch.present() }
    },
    lost: watch.lost,
    pruneFiles: prune,
    openPower: async (leading) =>
      engineCommands === null
        ? null
        : openEnginePower(leading, { commands: engineCommands, watch, beforeStop }),
  }
}
