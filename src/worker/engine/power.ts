/**
 * Starts the engine's machine when work or routes need it, and stops it when it has been idle for a
 * while. Commands run in the background of the worker's rounds, one at a time. The memory is saved to
 * the store before a command begins, so that the next worker knows of a start after a crash.
 */
import {
  afterCommandFailure,
  decidePower,
  NO_PAUSE,
  observe,
  UNTOUCHED,
  type CommandPause,
  type EngineNeed,
  type PowerMemory,
} from '../../core/learn/engine-power.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../../store/json-snapshot.ts'
import type { Store } from '../../store/store.ts'
import type { CommandResult, EngineCommands, WorkerDeps } from '../deps.ts'
import type { EngineWatch } from './watch.ts'

const SNAPSHOT = 'engine-power'

type CommandName = 'start' | 'stop'

type PowerDeps = Pick<WorkerDeps, 'store' | 'now' | 'log'>

export interface PowerParts {
  commands: EngineCommands
  watch: EngineWatch
  /** @returns whether the engine may be stopped */
  beforeStop(): Promise<boolean>
}

const readMemory = async (store: Store): Promise<PowerMemory> =>
  (await readJsonSnapshot<PowerMemory>(store, SNAPSHOT)) ?? UNTOUCHED

export class EnginePower {
  private readonly deps: PowerDeps
  private readonly parts: PowerParts
  private memory: PowerMemory
  /** the memory in the store, as JSON */
  private saved: string
  private readonly pauses: Record<CommandName, CommandPause> = { start: NO_PAUSE, stop: NO_PAUSE }
  private running: Promise<void> | null = null
  private need: EngineNeed | null = null
  private readonly closing = new AbortController()

  constructor(deps: PowerDeps, parts: PowerParts, memory: PowerMemory) {
    this.deps = deps
    this.parts = parts
    this.memory = memory
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

export const openEnginePower = async (deps: PowerDeps, parts: PowerParts): Promise<EnginePower> => {
  const memory = await readMemory(deps.store)
  if (memory.startedAt !== null)
    deps.log({ level: 'info', message: 'a previous worker started the engine: waiting for it' })
  return new EnginePower(deps, parts, memory)
}
