/** Whether the worker needs the engine, and access to it while it answers. */
import { winningArm } from '../core/internalization/internalization.ts'
import {
  NO_PAUSE,
  UNTOUCHED,
  afterCommandFailure,
  decidePower,
  observe,
  type CommandPause,
  type EngineNeed,
  type PowerMemory,
} from '../core/learn/engine-power.ts'
import type { Engine } from '../engine/engine.ts'
import { isUnfinished } from '../openai/fine-tuning.ts'
import type { CommandResult, EngineCommands, WorkerDeps } from './deps.ts'
import { watchEngine, type EngineWatch } from './engine/watch.ts'
import { needsEngine } from './forget.ts'
import { waitsForEngine } from '../lifecycle/transitions.ts'
import { pruneTrainingFiles } from './internalize/training-files.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/**
 * Starts the engine's machine when work or routes need it, and stops it when it has been idle for a
 * while. Commands run in the background of the worker's rounds, one at a time. The memory is saved to
 * the store before a command begins, so that the next worker knows of a start after a crash.
 */
const SNAPSHOT = 'engine-power'

type CommandName = 'start' | 'stop'

type PowerDeps = Pick<WorkerDeps, 'store' | 'now' | 'log'>

interface PowerParts {
  commands: EngineCommands
  watch: EngineWatch
  /** @returns whether the engine may be stopped */
  beforeStop(): Promise<boolean>
}

const readMemory = async (store: Store): Promise<PowerMemory> =>
  (await readJsonSnapshot<PowerMemory>(store, SNAPSHOT)) ?? UNTOUCHED

class EnginePower {
  /** the memory in the store, as JSON */
  private saved: string
  private readonly pauses: Record<CommandName, CommandPause> = { start: NO_PAUSE, stop: NO_PAUSE }
  private running: Promise<void> | null = null
  private need: EngineNeed | null = null
  private readonly closing = new AbortController()

  constructor(
    private readonly deps: PowerDeps,
    private readonly parts: PowerParts,
    private memory: PowerMemory
  ) {
    this.saved = JSON.stringify(memory)
  }

  /** Begins the command that is due, without waiting for its end. */
  async settle(need: EngineNeed | null): Promise<void> {
    const { commands, watch } = this.parts
    const now = this.deps.now()
    const awaySince = watch.awaySince()
    this.logNeed(need)
    if (awaySince === null) this.pauses.start = NO_PAUSE
    await this.remember(observe(this.memory, { need, awaySince, now }))
    const action = decidePower({
      now,
      need,
      awaySince,
      memory: this.memory,
      isRunning: this.running !== null,
      canStop: commands.stop !== null,
      startPause: this.pauses.start,
      stopPause: this.pauses.stop,
      startMs: commands.startMs,
      idleMs: commands.idleMs,
    })
    if (action === 'start') await this.start(now)
    if (action === 'stop') await this.stop(now)
  }

  /** Kills the running command and waits for its end. */
  async close(): Promise<void> {
    this.closing.abort()
    await this.running
    await this.remember(this.memory)
  }

  private async start(now: number): Promise<void> {
    await this.remember({ ...this.memory, isOurs: true, startedAt: now })
    this.run('start', this.parts.commands.start)
  }

  private async stop(now: number): Promise<void> {
    if (await this.parts.beforeStop()) this.run('stop', this.parts.commands.stop!)
    else await this.remember({ ...this.memory, idleSince: now })
  }

  private run(name: CommandName, command: EngineCommands['start']): void {
    this.deps.log({ level: 'info', message: `${name} command begins` })
    this.running = this.finish(name, command(this.closing.signal))
  }

  private async finish(name: CommandName, ending: Promise<CommandResult>): Promise<void> {
    const result = await ending
    this.running = null
    if (result.exitCode === 0) this.succeeded(name)
    else this.failed(name, result)
  }

  private succeeded(name: CommandName): void {
    const now = this.deps.now()
    this.pauses[name] = NO_PAUSE
    this.deps.log({ level: 'info', message: `${name} command is done` })
    if (name === 'start') {
      this.memory = { ...this.memory, startedAt: now }
      this.parts.watch.askNow()
      return
    }
    this.memory = { ...UNTOUCHED, idleSince: this.memory.idleSince }
    this.parts.watch.stopped()
  }

  /** The machine may run although its start failed, so `isOurs` stays and it is stopped when idle. */
  private failed(name: CommandName, { exitCode, endedBy, lastLine }: CommandResult): void {
    const now = this.deps.now()
    this.memory = { ...this.memory, startedAt: null }
    if (endedBy === 'caller') return
    this.pauses[name] = afterCommandFailure(this.pauses[name], now)
    const reason = endedBy === 'limit' ? 'took too long' : `failed with ${exitCode ?? 'a signal'}`
    this.deps.log({
      level: 'error',
      message: `${name} command ${reason}, and is tried again: ${lastLine ?? 'no output'}`,
      data: { exitCode, nextInMs: this.pauses[name].notBefore - now },
    })
  }

  private logNeed(need: EngineNeed | null): void {
    if (need === 'routes' && this.need !== 'routes')
      this.deps.log({ level: 'info', message: 'the engine stays on: live routes need it' })
    this.need = need
  }

  private async remember(memory: PowerMemory): Promise<void> {
    const text = JSON.stringify(memory)
    if (text !== this.saved) {
      await saveJsonSnapshot(this.deps.store, SNAPSHOT, memory)
      this.saved = text
    }
    this.memory = memory
  }
}

const openEnginePower = async (deps: PowerDeps, parts: PowerParts): Promise<EnginePower> => {
  const memory = await readMemory(deps.store)
  if (memory.startedAt !== null)
    deps.log({ level: 'info', message: 'a previous worker started the engine: waiting for it' })
  return new EnginePower(deps, parts, memory)
}

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
