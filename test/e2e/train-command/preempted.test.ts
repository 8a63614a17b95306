/**
 * The trainer by a command whose machine is taken away again and again, as a cluster's is. Skipped where there is no
 * Python with torch (ENGINE_PYTHON names it).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createTraining, type RunTraining } from '../../../adapters/gpu/train-command.ts'
import { trainByCommand } from '../../../adapters/gpu/train.ts'
import { Loras } from '../../../adapters/lora/loras.ts'
import { openModel } from '../../../adapters/model/open-model.ts'
import { row } from '../../contract/harness.ts'
import { writeRandomModel } from '../../kit/model/random-model.ts'
import { missingForTrainer, TRAINER, trainingOnCpu } from '../../kit/process/gpu-process.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const STEPS = 32
/** With a notice and without, twice each: a start takes as long as the training. */
const PREEMPTIONS = 4
const STEPS_BETWEEN = 4

const folder = sharedFolder()
const modelPath = join(folder, 'tiny')
const dataDir = join(folder, 'data')
/** a file for each start of the trainer, with the steps that it has computed */
const startsDir = join(folder, 'starts')

const rows = [row('Is it cold?', 'Yes'), row('Is it far?', 'No'), row('Who?', 'Me')]

/**
 * A machine with a notice is replaced by the platform, which runs the task again; one without is lost, and the command
 * ends with it.
 */
const MACHINE = `
import { spawn } from 'node:child_process'
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
const { PROMPTINTERN_TRAINER, PROMPTINTERN_TASK, PROMPTINTERN_REPORT, STARTS } = process.env
const begin = () => {
  const start = readdirSync(STARTS).length
  const file = STARTS + '/' + String(start).padStart(2, '0')
  writeFileSync(file, '')
  const script = PROMPTINTERN_TRAINER + '/train.py'
  const child = spawn(process.argv[2], [script, PROMPTINTERN_TASK, PROMPTINTERN_REPORT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let steps = 0
  let isTaken = false
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { kind, step } = JSON.parse(line)
    if (kind !== 'progress') return
    appendFileSync(file, step + '\\n')
    if (++steps !== ${STEPS_BETWEEN} || start >= ${PREEMPTIONS}) return
    isTaken = true
    child.kill(start % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
  })
  child.once('close', (code, signal) => {
    if (isTaken && code === 143) begin()
    else process.exit(code ?? (signal === 'SIGKILL' ? 137 : 1))
  })
}
begin()
`

const stepsOf = (name: string): number[] =>
  readFileSync(join(startsDir, name), 'utf8').split('\n').filter(Boolean).map(Number)

const trainBy = async (run: RunTraining, name: string): Promise<string> => {
  const opened = await openModel(modelPath)
  const base = { ...opened, fingerprint: opened.fingerprintOf('float32') }
  const loras = await Loras.open(join(dataDir, 'loras'), base, () => undefined)
  const options = { ...trainingOnCpu, checkpoint_seconds: 0 }
  try {
    const { model } = await trainByCommand(
      { base, modelPath, loras, run, options },
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
      {
        signal: new AbortController().signal,
        onProgress: () => undefined,
        onMessage: () => undefined,
      }
    )
    return model
  } finally {
    opened.close()
  }
}

it(
  'gives the lora of a training that was left alone, and computes no step again that its checkpoint has',
  { timeout: 900_000 },
  async (context) => {
    const missing = missingForTrainer()
    if (missing !== null) return context.skip(missing)
    writeRandomModel(modelPath, { seed: 11 })
    mkdirSync(startsDir)
    const machine = join(folder, 'machine.mjs')
    writeFileSync(machine, MACHINE)
    const calm = await trainBy(createTraining(TRAINER), 'calm')
    const command = `exec '${process.execPath}' '${machine}' '${TRAINER.python}'`
    const env = { ...process.env, STARTS: startsDir }
    const preempted = createTraining({ ...TRAINER, command, env })
    expect(await trainBy(preempted, 'preempted')).toBe(calm)

    const starts = Array.from({ length: PREEMPTIONS + 1 }, (_, at) =>
      stepsOf(String(at).padStart(2, '0'))
    )
    for (const [index, steps] of starts.entries()) {
      const before = starts[index - 1]?.at(-1) ?? 0
      // the step that it died in, or the one whose checkpoint it was writing
      expect(before + 1 - steps[0]!).toBeGreaterThanOrEqual(0)
      expect(before + 1 - steps[0]!).toBeLessThanOrEqual(1)
      expect(steps).toEqual(steps.map((_, at) => steps[0]! + at))
    }
    expect(starts.at(-1)!.at(-1)).toBe(STEPS)
  }
)
