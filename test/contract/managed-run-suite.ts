/** What a platform of managed runs must give, whatever it is: run over each of them. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Launcher, LaunchTask, Trained } from '../../adapters/launch/launcher.ts'
import { createManagedLauncher, type ManagedOptions } from '../../adapters/launch/managed-run.ts'
import type { ManagedRuns } from '../../adapters/launch/managed-runs.ts'
import type { AppError } from '../../src/errors.ts'
import { fromRoot } from '../kit/process/from-root.ts'
import { Platform, type PlatformRun } from '../kit/launch/platform.ts'
import {
  reportFailure,
  reportMessage,
  reportStep,
  reportTrained,
} from '../kit/launch/trainer-report.ts'

export interface OpenedRuns {
  runs: ManagedRuns
  close(): Promise<void>
}

const TIMES = { reportMs: 5, statusMs: 10, settleMs: 0, awayMs: 60_000 }

/** One engine's launcher on a data folder, and a job of it. */
export class LaunchWorld {
  readonly platform = new Platform()
  readonly dataDir = mkdtempSync(join(tmpdir(), 'launch-'))
  readonly messages: string[] = []
  readonly steps: number[] = []
  readonly logged: string[] = []
  readonly task: LaunchTask
  /** added to the clock, ms */
  later = 0
  private readonly launchers: Launcher[] = []
  private readonly opened: OpenedRuns

  constructor(opened: OpenedRuns, platform: Platform) {
    this.opened = opened
    this.platform = platform
    this.task = { file: join(this.dataDir, 'jobs/ftjob-1/checkpoint/task.json'), identity: 'one' }
    this.writeTask()
  }

  writeTask(): void {
    mkdirSync(dirname(this.task.file), { recursive: true })
    writeFileSync(this.task.file, '{}')
  }

  open(options: Partial<ManagedOptions> = {}): Launcher {
    const launcher = createManagedLauncher({
      runs: this.opened.runs,
      dataDir: this.dataDir,
      seen: [],
      trainerFolder: fromRoot('adapters/trainer'),
      log: (_level, message) => void this.logged.push(message),
      now: () => Date.now() + this.later,
      times: TIMES,
      ...options,
    })
    this.launchers.push(launcher)
    return launcher
  }

  /** An engine that trains the job, until it is aborted. */
  train(launcher = this.open()): {
    result: Promise<Trained>
    error: Promise<AppError>
    abort: AbortController
  } {
    const abort = new AbortController()
    const result = launcher.run(this.task, {
      signal: abort.signal,
      onMessage: (_level, message) => void this.messages.push(message),
      onProgress: ({ step }) => void this.steps.push(step),
    })
    const error = result.then(
      () => Promise.reject(new Error('it was trained')),
      (thrown: AppError) => thrown
    )
    error.catch(() => undefined)
    return { result, error, abort }
  }

  /** Waits for the n-th run. */
  async run(n = 1): Promise<PlatformRun> {
    await expect
      .poll(() => this.platform.runs.length, { timeout: 60_000 })
      .toBeGreaterThanOrEqual(n)
    return this.platform.runs[n - 1]!
  }

  async said(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.messages.join('\n'), { timeout: 60_000 }).toMatch(pattern)
  }

  /** Waits until a restarted engine would know that the job was told so many lines of the report. */
  async stored(lines: number): Promise<void> {
    const seen = (): number => {
      const [name] = this.records
      const record = readFileSync(join(this.dataDir, 'runs', name!), 'utf8')
      return (JSON.parse(record) as { seen: number }).seen
    }
    await expect.poll(seen, { timeout: 60_000 }).toBe(lines)
  }

  async stepped(steps: number[]): Promise<void> {
    await expect.poll(() => this.steps, { timeout: 60_000 }).toEqual(steps)
  }

  /** What the host does when a job is over. */
  removeJob(): void {
    rmSync(dirname(this.task.file), { recursive: true })
  }

  get records(): string[] {
    return readdirSync(join(this.dataDir, 'runs'))
  }

  async close(): Promise<void> {
    for (const launcher of this.launchers) await launcher.close()
    await this.opened.close()
    rmSync(this.dataDir, { recursive: true, force: true })
  }
}

/**
 * @param open gives the runs of a platform through its API
 * @param options.asksAgain it asks a server that is away by itself, for longer than a test lasts
 */
export const describeManagedRuns = (
  name: string,
  open: (platform: Platform) => Promise<OpenedRuns>,
  { skip = null, asksAgain = false }: { skip?: string | null; asksAgain?: boolean } = {}
): void => {
  describe.skipIf(skip !== null)(
    `managed runs on ${name}${skip === null ? '' : `: ${skip}`}`,
    () => {
      let world: LaunchWorld
      beforeEach(async () => {
        const platform = new Platform()
        world = new LaunchWorld(await open(platform), platform)
      })
      afterEach(() => world.close())

      it('trains one from its submission to its result', async () => {
        const { result } = world.train()
        const run = await world.run()
        const { PROMPTINTERN_TRAINER: trainer = '', ...env } = run.env
        expect(env).toMatchObject({ PROMPTINTERN_TASK: world.task.file })
        expect(readdirSync(trainer)).toEqual(expect.arrayContaining(['train.py', 'uv.lock']))
        await world.said(/is queued/)
        run.state = 'running'
        await world.said(/is running/)
        reportMessage(run, 'hello')
        reportStep(run, 3)
        await world.stepped([3])
        reportTrained(run)
        expect(await result).toMatchObject({ trainedTokens: 100, probe: { lora: [-0.1] } })
        expect(world.messages).toContain('hello')
        expect(world.platform.runs).toHaveLength(1)
        run.state = 'done'
        world.removeJob()
        await expect.poll(() => world.records, { timeout: 60_000 }).toEqual([])
      })

      it('finds the run of an engine that was killed, and submits no second one', async () => {
        const first = world.train()
        const run = await world.run()
        reportMessage(run, 'hello')
        await world.said(/hello/)
        // one that is killed between the two tells it again
        await world.stored(1)
        first.abort.abort(new Error('killed'))
        expect((await first.error).message).toBe('killed')
        reportStep(run, 4)
        run.state = 'running'
        const second = world.train()
        await world.stepped([4])
        reportTrained(run)
        await second.result
        expect(world.messages.filter((message) => message === 'hello')).toHaveLength(1)
        expect(world.platform.runs).toHaveLength(1)
        expect(run.state).toBe('running')
        // its lora was not stored: the report still has the result
        await world.train().result
        expect(world.platform.runs).toHaveLength(1)
      })

      it('submits a lost run again, by another name', async () => {
        const { result } = world.train()
        const lost = await world.run()
        reportStep(lost, 2)
        await world.stepped([2])
        lost.state = 'lost'
        const next = await world.run(2)
        await world.said(/ended .* after step 2; it is started again from its checkpoint/)
        expect(next.name).not.toBe(lost.name)
        expect(next.env).toEqual({ ...lost.env })
        reportTrained(next)
        await result
        expect(world.platform.runs).toHaveLength(2)
      })

      it.each(['at once', 'after a restart'])(
        'cancels the run of a cancelled job %s',
        async (when) => {
          const launcher = world.open()
          const { abort, error } = world.train(launcher)
          const run = await world.run()
          await world.said(/is queued/)
          if (when === 'after a restart') await launcher.close()
          abort.abort(new Error('cancelled'))
          await error
          world.removeJob()
          if (when === 'after a restart') {
            expect(run.state).toBe('queued')
            world.open()
          }
          await expect.poll(() => run.state, { timeout: 60_000 }).toBe('stopped')
          await expect.poll(() => world.records, { timeout: 60_000 }).toEqual([])
          expect(existsSync(dirname(world.task.file))).toBe(false)
          expect(world.platform.runs).toHaveLength(1)
        }
      )

      it('fails with what training says, or with the last lines of a run that did not begin', async () => {
        const { error } = world.train()
        const run = await world.run()
        run.log = 'line 1\nModuleNotFoundError: torch\n'
        run.state = 'failed'
        expect(await error).toMatchObject({
          code: 'engine-unavailable',
          message: expect.stringMatching(/exit code 75.*line 1\nModuleNotFoundError: torch$/s),
        })
        reportFailure(run, 'invalid-model', 'no such model', false)
        expect(await world.train().error).toMatchObject({
          code: 'invalid-model',
          message: 'no such model',
        })
        expect(world.platform.runs).toHaveLength(1)
      })

      it.skipIf(asksAgain)('waits for a platform that is away, and asks it again', async () => {
        world.platform.fault = 503
        const { result } = world.train()
        await world.said(/503|unhealthy|connect/i)
        expect(world.platform.runs).toHaveLength(0)
        world.platform.fault = null
        const run = await world.run()
        await world.said(/is queued/)
        world.platform.fault = 429
        await world.said(/429|unhealthy|connect/i)
        reportTrained(run)
        await result
        expect(world.platform.runs).toHaveLength(1)
      })

      it('submits a run again that the platform knows no more, and goes on with one in a state unheard of', async () => {
        const { result } = world.train()
        const run = await world.run()
        await world.said(/is queued/)
        run.name = 'forgotten'
        world.later = 20 * 60_000
        const next = await world.run(2)
        await world.said(/knows no run/)
        next.state = 'unheard'
        await world.said(/is running \((hibernating|WINDING_DOWN)/)
        reportTrained(next)
        await result
      })

      it('does not submit again what a person has ended', async () => {
        const { error } = world.train()
        const run = await world.run()
        reportStep(run, 2)
        run.state = 'stopped'
        expect(await error).toMatchObject({ code: 'conflict' })
        expect(world.platform.runs).toHaveLength(1)
      })
    }
  )
}
