/**
 * The trainer on a platform that takes its machine away ten times. Skipped where there is no Python with
 * torch (ENGINE_PYTHON names it).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { trainByProcess } from '../../../adapters/gpu/train.ts'
import { trainingOnGpu } from '../../../adapters/gpu/training-on-gpu.ts'
import { createDstackRuns } from '../../../adapters/launch/dstack.ts'
import type { Launcher } from '../../../adapters/launch/launcher.ts'
import { createLocalLauncher } from '../../../adapters/launch/local-process.ts'
import { createManagedLauncher } from '../../../adapters/launch/managed-run.ts'
import { Loras } from '../../../adapters/lora/loras.ts'
import { openModel } from '../../../adapters/model/open-model.ts'
import { row } from '../../contract/harness.ts'
import { DSTACK_TOKEN, startDstackServer } from '../../kit/launch/dstack-server.ts'
import { Platform, type PlatformRun } from '../../kit/launch/platform.ts'
import { writeRandomModel } from '../../kit/model/random-model.ts'
import { fromRoot } from '../../kit/process/from-root.ts'
import { missingForTrainer, TRAINER, trainingOnCpu } from '../../kit/process/gpu-process.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const STEPS = 32
/** With a notice and without, twice each: a start takes as long as the training. */
const PREEMPTIONS = 4
const STEPS_BETWEEN = 4
/** as a shell reports SIGTERM; the trainer has left a checkpoint */
const STOPPED = 143

const folder = sharedFolder()
const modelPath = join(folder, 'tiny')
const dataDir = join(folder, 'data')

const rows = [row('Is it cold?', 'Yes'), row('Is it far?', 'No'), row('Who?', 'Me')]

/** Machines of a platform: each runs the trainer, and is taken away after some steps while any are left to take. */
class Machines {
  /** steps that each trainer has computed */
  readonly starts: number[][] = []
  private left = PREEMPTIONS
  private readonly children: ChildProcess[] = []

  begin(run: PlatformRun): void {
    const { PROMPTINTERN_TRAINER = '', PROMPTINTERN_TASK = '', PROMPTINTERN_REPORT = '' } = run.env
    const args = [join(PROMPTINTERN_TRAINER, 'train.py'), PROMPTINTERN_TASK, PROMPTINTERN_REPORT]
    const child = spawn(TRAINER.python, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.children.push(child)
    run.state = 'running'
    const steps: number[] = []
    this.starts.push(steps)
    // with a notice before, or without
    const signal = this.left % 2 === 0 ? 'SIGTERM' : 'SIGKILL'
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { kind, step } = JSON.parse(line) as { kind: string; step: number }
      if (kind === 'progress') steps.push(step)
      if (steps.length === STEPS_BETWEEN && this.left > 0) child.kill(signal)
    })
    child.once('exit', (code) => {
      if (code === 0) run.state = 'done'
      else if (this.left-- > 0) this.taken(run, code)
    })
  }

  end(): void {
    for (const child of this.children) child.kill('SIGKILL')
  }

  /** A machine with a notice is replaced by the platform; one without is lost for it. */
  private taken(run: PlatformRun, code: number | null): void {
    if (code === STOPPED) this.begin(run)
    else run.state = 'lost'
  }
}

const trainBy = async (launcher: Launcher, name: string, signal: AbortSignal): Promise<string> => {
  const opened = await openModel(modelPath)
  const base = { ...opened, fingerprint: opened.fingerprintOf('float32') }
  const loras = await Loras.open(join(dataDir, 'loras'), base, () => undefined)
  const options = { ...trainingOnCpu, checkpoint_seconds: 0 }
  try {
    const { model } = await trainByProcess(
      trainingOnGpu({ base, modelPath, loras, launcher, options, replayShare: 0 }),
      {
        rows,
        validationRows: [],
        method: 'supervised',
        hyperparameters: { rank: 4, batch_size: 2, max_steps: STEPS },
        seed: 5,
        suffix: null,
        metadata: {},
        lora: null,
        checkpointDir: join(dataDir, 'jobs', name, 'checkpoint'),
      },
      { signal, onProgress: () => undefined, onMessage: () => undefined }
    )
    return model
  } finally {
    opened.close()
  }
}

it(
  'gives the lora of a training that was left alone, and computes no step again that its checkpoint has',
  { timeout: 600_000 },
  async (context) => {
    const missing = missingForTrainer()
    if (missing !== null) return context.skip(missing)
    writeRandomModel(modelPath, { seed: 11 })
    const { signal } = new AbortController()
    const calm = await trainBy(createLocalLauncher(TRAINER), 'calm', signal)

    const platform = new Platform()
    const machines = new Machines()
    platform.onSubmit = (run) => machines.begin(run)
    const api = await startDstackServer(platform)
    const template = join(folder, 'task.dstack.yml')
    writeFileSync(template, 'type: task\n')
    const open = () =>
      createManagedLauncher({
        runs: createDstackRuns({
          url: api.url,
          token: DSTACK_TOKEN,
          project: 'main',
          template,
          fetch,
        }),
        dataDir,
        seen: [],
        trainerFolder: fromRoot('adapters/trainer'),
        log: () => undefined,
        now: Date.now,
        times: { reportMs: 20, statusMs: 50 },
      })
    const [first, second] = [open(), open()]
    try {
      // the engine is killed as well, in the middle
      const killed = new AbortController()
      const cut = trainBy(first, 'preempted', killed.signal)
      await expect.poll(() => machines.starts.length, { timeout: 300_000 }).toBeGreaterThan(2)
      killed.abort(new Error('killed'))
      await expect(cut).rejects.toThrow('killed')
      expect(await trainBy(second, 'preempted', signal)).toBe(calm)
    } finally {
      machines.end()
      for (const launcher of [first, second]) await launcher.close()
      await api.close()
    }

    const { starts } = machines
    expect(starts).toHaveLength(PREEMPTIONS + 1)
    for (const [index, steps] of starts.entries()) {
      const before = starts[index - 1]?.at(-1) ?? 0
      // the step that it died in, or the one whose checkpoint it was writing
      expect(before + 1 - steps[0]!).toBeGreaterThanOrEqual(0)
      expect(before + 1 - steps[0]!).toBeLessThanOrEqual(1)
      expect(steps).toEqual(steps.map((_, at) => steps[0]! + at))
    }
    expect(starts.at(-1)!.at(-1)).toBe(STEPS)
    // one, and one more for each machine that was lost without a notice
    expect(platform.runs).toHaveLength(1 + PREEMPTIONS / 2)
    expect(new Set(platform.runs.map(({ name }) => name)).size).toBe(platform.runs.length)
  }
)
