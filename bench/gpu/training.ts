/**
 * Training throughput of each model and the share of the GPU's peak that is useful, by `train.py` as the
 * engine starts it, on rows of random tokens.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readGpuOptions } from '../../adapters/gpu/environment.ts'
import { createTraining } from '../../adapters/gpu/train-command.ts'
import { writeStart } from '../../adapters/lora/lora-file.ts'
import { createLoraLayout, initLora } from '../../adapters/lora/lora-layout.ts'
import type { LlamaConfig } from '../../adapters/model/llama-config.ts'
import { openModel } from '../../adapters/model/open-model.ts'
import { seededRandom } from '../../src/random.ts'
import { TRAINER, ofThisMachine } from '../../test/kit/process/gpu-process.ts'
import { spread, type Figure, type Figures } from '../../test/kit/report.ts'
import { causalPairs, usefulOperations, type StepWork } from '../training/useful-operations.ts'
import { gpuHere, nameOf, type PartContext } from './part-context.ts'

const RANK = 16
/** the first ones compile kernels, and find out what fits the memory */
const WARM_UP_STEPS = 4
const STEPS = 12
/** no further model is begun after so many seconds */
const LAST_START_SECONDS = 330

interface Workload {
  rows: number
  prefix: number
  prompt: number
  completion: number
}

/** Rows that share a long prefix, and a step of short ones. */
const WORKLOADS: Record<string, Workload> = {
  full: { rows: 399, prefix: 800, prompt: 20, completion: 20 },
  step: { rows: 32, prefix: 0, prompt: 22, completion: 8 },
}
const DRY: Record<string, Workload> = {
  full: { rows: 8, prefix: 40, prompt: 8, completion: 4 },
  step: { rows: 4, prefix: 0, prompt: 8, completion: 4 },
}

const rowsOf = ({ rows, prefix, prompt, completion }: Workload, vocabulary: number): string[] => {
  const random = seededRandom(1)
  const tokens = (count: number): number[] =>
    Array.from({ length: count }, () => Math.floor(random() * vocabulary))
  const shared = tokens(prefix)
  return Array.from({ length: rows }, (_, row) =>
    // a first token of its own ends what rows share
    JSON.stringify({
      prompt_ids: [...shared, row % vocabulary, ...tokens(prompt - 1)],
      completion_ids: tokens(completion),
    })
  )
}

const workOf = ({ rows, prefix, prompt, completion }: Workload): StepWork => {
  const own = prompt + completion - 1
  return {
    tokens: prefix + rows * own,
    labels: rows * completion,
    pairs: causalPairs(prefix) + rows * (own * prefix + causalPairs(own)),
  }
}

/** @returns the task's file */
const writeTask = async (
  folder: string,
  modelPath: string,
  config: LlamaConfig,
  workload: Workload
): Promise<string> => {
  const layout = createLoraLayout(config, RANK, 2 * RANK)
  const start = join(folder, 'start')
  mkdirSync(folder, { recursive: true })
  await writeStart(start, layout, initLora(layout, seededRandom(2)))
  const rows = join(folder, 'rows.jsonl')
  writeFileSync(rows, `${rowsOf(workload, config.vocabSize).join('\n')}\n`)
  const env = { ENGINE_MODEL: modelPath, ENGINE_DEVICE: 'cpu', ENGINE_VLLM_URL: 'http://none' }
  const { training } = readGpuOptions({ ...env, ...ofThisMachine() }, { hasGpu: false, python: '' })
  const file = join(folder, 'task.json')
  const task = {
    model_path: modelPath,
    start,
    output: join(folder, 'output'),
    checkpoint_dir: join(folder, 'checkpoint'),
    rows_file: rows,
    validation_rows_file: null,
    identity: folder,
    batches: [Array.from({ length: workload.rows }, (_, row) => row)],
    total_steps: WARM_UP_STEPS + STEPS,
    learning_rate: 1e-4,
    ...training,
    // a checkpoint within a step would be measured
    checkpoint_seconds: 600,
  }
  writeFileSync(file, JSON.stringify(task))
  return file
}

const measure = async (
  folder: string,
  model: string,
  workload: Workload
): Promise<Record<string, Figure>> => {
  const { config, close } = await openModel(model)
  const ends: number[] = []
  const said: string[] = []
  let metrics: { peak_memory_bytes: number | null }
  try {
    const task = await writeTask(folder, model, config, workload)
    const trained = await createTraining(TRAINER)(
      { file: task, identity: folder },
      {
        onProgress: () => void ends.push(performance.now()),
        onMessage: (_level, message) => void said.push(message),
        signal: new AbortController().signal,
      }
    )
    metrics = trained.metrics
  } finally {
    close()
  }
  const seconds = ends
    .slice(WARM_UP_STEPS)
    .map((end, at) => (end - ends[WARM_UP_STEPS + at - 1]!) / 1000)
  const work = workOf(workload)
  const useful = usefulOperations(config, RANK, work)
  const gpu = gpuHere()
  return {
    tokens_per_second: spread(
      seconds.map((one) => work.tokens / one),
      'tokens/s'
    ),
    useful_tflops: spread(
      seconds.map((one) => useful / one / 1e12),
      'TFLOP/s'
    ),
    ...(gpu !== null && {
      share_of_peak: spread(
        seconds.map((one) => useful / one / gpu.peak),
        'share'
      ),
    }),
    peak_gb: { value: (metrics.peak_memory_bytes ?? 0) / 1e9, unit: 'GB' },
    said: { value: said.join('; '), unit: '' },
  }
}

export const measureTraining = async ({ folder, models, isDry }: PartContext): Promise<Figures> => {
  const started = performance.now()
  const figures: Figures = {}
  for (const model of models) {
    if (performance.now() - started > 1000 * LAST_START_SECONDS) {
      figures[`${nameOf(model)}_skipped`] = { value: 'no time was left', unit: '' }
      continue
    }
    for (const [name, workload] of Object.entries(isDry ? DRY : WORKLOADS)) {
      const prefix = `${nameOf(model)}_${name}`
      const own = await measure(join(folder, prefix), model, workload)
      for (const [key, figure] of Object.entries(own)) figures[`${prefix}_${key}`] = figure
    }
  }
  return figures
}
