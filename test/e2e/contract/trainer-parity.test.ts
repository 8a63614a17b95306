/**
 * The embedded engine and the trainer in Python train the same lora: one random model, the same rows,
 * seed and rank. Skipped where there is no Python with torch (ENGINE_PYTHON names it).
 */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { trainByCommand } from '../../../adapters/gpu/train.ts'
import { createTraining } from '../../../adapters/gpu/train-command.ts'
import type { LoraTask } from '../../../adapters/lora/lora-backend.ts'
import { manifestOf, readLora, writeLora } from '../../../adapters/lora/lora-file.ts'
import { Loras } from '../../../adapters/lora/loras.ts'
import { openModel } from '../../../adapters/model/open-model.ts'
import { createOnnxBackend } from '../../../adapters/onnx/backend.ts'
import { loadModel } from '../../../adapters/onnx/load-model.ts'
import { trainLora } from '../../../adapters/onnx/train/trainer.ts'
import { openFrozenModel } from '../../../adapters/onnx/train/weights-file.ts'
import { studentRow } from '../../../adapters/text/chat-renderer.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import { missingForTrainer, TRAINER, trainingOnCpu } from '../../kit/process/gpu-process.ts'
import { writeRandomModel } from '../../kit/model/random-model.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'
import { observe, type Observed } from '../../kit/model/observe.ts'

const STEPS = 20

const rows: TrainingRow[] = Array.from({ length: 40 }, (_, i) => ({
  messages: [
    { role: 'system', content: 'Answer with the name of a city.' },
    { role: 'user', content: `Which city has number ${i * 7}? ${'It is far. '.repeat(i % 3)}` },
    { role: 'assistant', content: ['Rome', 'Paris', 'São Paulo'][i % 3]! },
  ],
  ...(i % 5 === 0 ? { weight: 0.5 } : {}),
}))
const hyperparameters = { rank: 8, batch_size: 8, max_steps: STEPS, weight_decay: 0.01 }

const folder = sharedFolder()
const modelPath = join(folder, 'tiny')
const dataDir = join(folder, 'data')
const lorasDir = join(dataDir, 'loras')

interface Trained {
  losses: number[]
  lora: string
}

const taskOf = (name: string, fields: Partial<LoraTask> = {}): LoraTask => ({
  rows,
  validationRows: [],
  method: 'supervised',
  hyperparameters,
  seed: 5,
  suffix: null,
  metadata: {},
  lora: null,
  checkpointDir: join(folder, name),
  ...fields,
})

const lossesOf = ({ progress }: Observed): number[] => progress.map(({ train_loss }) => train_loss)

const trainHere = async (): Promise<Trained> => {
  const model = await loadModel(modelPath, 'float32')
  const seen = observe()
  const task = taskOf('onnx')
  const trained = await trainLora(
    {
      ...task,
      model: await openFrozenModel(join(folder, 'cache'), model),
      rows: rows.map((row) => studentRow(model.chat, row)),
      validationRows: [],
      start: null,
    },
    seen
  )
  const manifest = manifestOf(model, { ...task, ...trained })
  const lora = await writeLora(lorasDir, { ...trained, manifest }, null)
  model.close()
  return { losses: lossesOf(seen), lora }
}

const log = (): void => undefined

const trainThere = async (task: LoraTask): Promise<Trained> => {
  const opened = await openModel(modelPath)
  const base = { ...opened, fingerprint: opened.fingerprintOf('float32') }
  const seen = observe()
  const { model } = await trainByCommand(
    {
      base,
      modelPath,
      loras: await Loras.open(lorasDir, base, log),
      run: createTraining(TRAINER),
      options: trainingOnCpu,
    },
    task,
    seen
  )
  opened.close()
  return { losses: lossesOf(seen), lora: model }
}

const distilHere = async (task: LoraTask): Promise<number[]> => {
  const backend = await createOnnxBackend({
    modelPath,
    dataDir,
    threads: 2,
    precision: 'float32',
    log,
  })
  const seen = observe()
  await backend.train({ ...task, model: 'tiny' }, seen)
  await backend.close()
  return lossesOf(seen)
}

const answersOf = async (models: string[], prompts: string[]): Promise<string[][]> => {
  const backend = await createOnnxBackend({
    modelPath,
    dataDir,
    threads: 2,
    precision: 'float32',
    log,
  })
  const answers: string[][] = []
  for (const model of models) {
    const own: string[] = []
    for (const content of prompts) {
      const request = {
        model,
        messages: [{ role: 'user', content }],
        max_tokens: 12,
        temperature: 0,
      }
      let answer = ''
      const deltas = backend.complete(request, new AbortController().signal)
      for await (const delta of deltas) answer += delta.text
      own.push(answer)
    }
    answers.push(own)
  }
  await backend.close()
  return answers
}

describe('parity of the trainer and the embedded engine', () => {
  it(
    'gives the same losses, loras that both load, and the same answers',
    { timeout: 300_000 },
    async (context) => {
      const reason = missingForTrainer()
      if (reason !== null) return context.skip(reason)
      writeRandomModel(modelPath, { seed: 11 })
      const here = await trainHere()
      const there = await trainThere(taskOf('fresh'))
      expect(here.losses).toHaveLength(STEPS)
      expect(there.losses).toHaveLength(STEPS)
      here.losses.forEach((loss, step) => expect(there.losses[step]).toBeCloseTo(loss, 4))

      const model = await loadModel(modelPath, 'float32')
      const [own, other] = await Promise.all(
        [here.lora, there.lora].map((id) => readLora(join(lorasDir, id), model))
      )
      model.close()
      expect(other!.manifest).toEqual(own!.manifest)
      const largest = own!.theta.reduce((most, value, i) => {
        return Math.max(most, Math.abs(value - other!.theta[i]!))
      }, 0)
      expect(largest).toBeLessThan(1e-3)
      // a next stage in Python starts from the lora that was made here
      const next = await trainThere(
        taskOf('next', { lora: here.lora, hyperparameters: { ...hyperparameters, max_steps: 1 } })
      )
      expect(next.losses[0]).toBeLessThan(here.losses[0]! / 2)

      // the teacher of both is the base model with the whole prompt
      const taught = rows.map((row) => ({
        messages: row.messages.slice(1),
        teacher_messages: row.messages.slice(0, 2),
      }))
      const self = { rows: taught, method: 'self-distillation' } as const
      const own20 = await distilHere(taskOf('taught-here', self))
      const other20 = await trainThere(taskOf('taught', self))
      expect(other20.losses).toHaveLength(STEPS)
      other20.losses.forEach((loss, step) => expect(own20[step]).toBeCloseTo(loss, 4))

      const prompts = Array.from({ length: 50 }, (_, i) => `Where does train ${i} go?`)
      const [mine, theirs, base] = await answersOf([here.lora, there.lora, 'tiny'], prompts)
      expect(theirs).toEqual(mine)
      expect(base).not.toEqual(mine)
    }
  )
})
