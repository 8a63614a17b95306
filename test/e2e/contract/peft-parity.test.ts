/**
 * Both engines train the same lora: one random model, the same rows, seed and rank. Skipped where
 * there is no Python with torch (PEFT_PYTHON names it).
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { createOnnxBackend } from '../../../adapters/onnx/backend.ts'
import { loadModel } from '../../../adapters/onnx/load-model.ts'
import { writeRandomModel } from '../../kit/model/random-model.ts'
import { readLora, writeLora } from '../../../adapters/lora/lora-file.ts'
import { studentRow } from '../../../adapters/text/render-rows.ts'
import { trainLora } from '../../../adapters/onnx/train/trainer.ts'
import { openFrozenModel } from '../../../adapters/onnx/train/weights-file.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'

const PEFT = resolve(import.meta.dirname, '../../../adapters/peft')
const PYTHON = process.env.PEFT_PYTHON ?? join(PEFT, '.venv/bin/python')
const STEPS = 20

const missing = (): string | null => {
  try {
    execFileSync(PYTHON, ['-c', 'import torch, transformers, peft'], { stdio: 'ignore' })
    return null
  } catch {
    return `${PYTHON} is no Python with torch, transformers and peft`
  }
}

const rows: TrainingRow[] = Array.from({ length: 40 }, (_, i) => ({
  messages: [
    { role: 'system', content: 'Answer with the name of a city.' },
    { role: 'user', content: `Which city has number ${i * 7}? ${'It is far. '.repeat(i % 3)}` },
    { role: 'assistant', content: ['Rome', 'Paris', 'São Paulo'][i % 3]! },
  ],
  ...(i % 5 === 0 ? { weight: 0.5 } : {}),
}))
const hyperparameters = { rank: 8, batch_size: 8, max_steps: STEPS, weight_decay: 0.01 }

const folder = mkdtempSync(join(tmpdir(), 'peft-parity-'))
afterAll(() => rmSync(folder, { recursive: true }))
const modelPath = join(folder, 'tiny')
const dataDir = join(folder, 'data')
const lorasDir = join(dataDir, 'loras')

interface Trained {
  losses: number[]
  lora: string
}

const trainHere = async (): Promise<Trained> => {
  const model = await loadModel(modelPath, 'float32')
  const losses: number[] = []
  const trained = await trainLora(
    {
      model: await openFrozenModel(join(folder, 'cache'), model),
      rows: rows.map((row) => studentRow(model.chat, row)),
      validationRows: [],
      hyperparameters,
      seed: 5,
      start: null,
      checkpointDir: join(folder, 'onnx-checkpoint'),
    },
    {
      signal: new AbortController().signal,
      onProgress: ({ trainLoss }) => void losses.push(trainLoss),
      onMessage: () => undefined,
    }
  )
  const manifest = {
    base_model: model.name,
    base_fingerprint: model.fingerprint,
    tokenizer_hash: model.tokenizerHash,
    chat_template_hash: model.chat.templateHash,
    data_hash: trained.dataHash,
    parent: null,
    seed: 5,
    hyperparameters: { ...trained.hyperparameters },
    rendering: { default_system_message: false as const },
    suffix: null,
    metadata: {},
  }
  const lora = await writeLora(lorasDir, { ...trained, manifest }, null)
  model.close()
  return { losses, lora }
}

const trainThere = async (name: string, fields: Record<string, unknown>): Promise<Trained> => {
  const taskFile = join(folder, `${name}.json`)
  const task = { model_path: modelPath, loras_dir: lorasDir, rows, hyperparameters, seed: 5 }
  const checkpoint = { checkpoint_dir: join(folder, `${name}-checkpoint`) }
  writeFileSync(taskFile, JSON.stringify({ ...task, ...checkpoint, ...fields }))
  // its stdin stays open: it ends with it
  const child = spawn(PYTHON, [join(PEFT, 'train.py'), taskFile], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = (await text(child.stdout))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; train_loss: number; model: string })
  const last = lines.at(-1)!
  expect(last).toMatchObject({ kind: 'trained' })
  const losses = lines.filter(({ kind }) => kind === 'progress').map((line) => line.train_loss)
  return { losses, lora: last.model }
}

interface Asked {
  model: string
  prompts: string[]
  max_tokens: number
}

const log = (): void => undefined

const answersHere = async ({ model, prompts, max_tokens }: Asked): Promise<string[]> => {
  const backend = await createOnnxBackend({
    modelPath,
    dataDir,
    threads: 2,
    precision: 'float32',
    log,
  })
  const answers: string[] = []
  for (const content of prompts) {
    const request = { model, messages: [{ role: 'user', content }], max_tokens, temperature: 0 }
    let answer = ''
    const deltas = backend.complete(request, new AbortController().signal)
    for await (const delta of deltas) answer += delta.text
    answers.push(answer)
  }
  await backend.close()
  return answers
}

const answersThere = async (asked: Asked): Promise<string[]> => {
  const file = join(folder, 'asked.json')
  writeFileSync(file, JSON.stringify(asked))
  const script = join(PEFT, 'tests/greedy_answers.py')
  const { stdout } = await promisify(execFile)(PYTHON, [script, modelPath, dataDir, file])
  return JSON.parse(stdout) as string[]
}

describe('parity of peft and onnx', () => {
  it(
    'gives the same losses, loras that both load, and the same answers',
    { timeout: 300_000 },
    async (context) => {
      const reason = missing()
      if (reason !== null) return context.skip(reason)
      writeRandomModel(modelPath, { seed: 11 })
      const here = await trainHere()
      const there = await trainThere('fresh', {})
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
      const next = await trainThere('next', {
        lora: here.lora,
        hyperparameters: { ...hyperparameters, max_steps: 1 },
      })
      expect(next.losses[0]).toBeLessThan(here.losses[0]! / 2)

      // greedy answers of the base model and of a lora
      const prompts = Array.from({ length: 50 }, (_, i) => `Where does train ${i} go?`)
      for (const id of ['tiny', there.lora]) {
        const asked = { model: id, prompts, max_tokens: 12 }
        expect(await answersThere(asked)).toEqual(await answersHere(asked))
      }
    }
  )
})
