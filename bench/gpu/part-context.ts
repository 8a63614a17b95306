/** What a part of `bench/gpu.sh` is given, and the GPU engine that it starts. */
import { spawnSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { isUnfinished, type JobObject, type TrainingRow } from '../../src/openai/fine-tuning.ts'
import {
  ofThisMachine,
  startGpuProcess,
  type GpuProcess,
} from '../../test/kit/process/gpu-process.ts'
import { orderOf, shelfOf } from '../../test/kit/traffic/shelf-orders.ts'

const TIMEOUT_MS = 300_000
const POLL_MS = 200

export interface PartContext {
  /** empty, and removed at the end */
  folder: string
  /** folders of base models, the smallest first */
  models: string[]
  /** folder of a task; null: made-up orders */
  task: string | null
  /** on a CPU, with a tiny model and a stand-in for vLLM: whether each part runs */
  isDry: boolean
}

/** In names of figures. */
export const nameOf = (model: string): string => basename(model)

/** As nvidia-smi reports it: `NVIDIA H100 80GB HBM3, 580.95.05, 81559`; null without a GPU. */
export const gpuLine = (): string | null => {
  const query = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader,nounits']
  const { error, status, stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8' })
  return error || status !== 0 ? null : (stdout.split('\n')[0] ?? null)
}

interface Gpu {
  /** operations a second of dense products in bfloat16 */
  peak: number
}

/** By NVIDIA's data sheets: H100 SXM, and L4 at half of its figure with sparsity. */
const GPUS: Record<string, Gpu> = { H100: { peak: 989e12 }, L4: { peak: 121e12 } }

/** The data sheet of this machine's GPU; null where there is none that is known. */
export const gpuHere = (): Gpu | null => {
  const line = gpuLine() ?? ''
  return Object.entries(GPUS).find(([name]) => line.includes(name))?.[1] ?? null
}

export interface StartedEngine {
  process: GpuProcess
  client: Engine
}

/** @throws Error with the engine's report when it does not start */
export const startEngine = async (
  modelPath: string,
  dataDir: string,
  env: Record<string, string> = {}
): Promise<StartedEngine> => {
  const all = { LOG_LEVEL: 'warn', ...ofThisMachine(), ...env }
  const engine = await startGpuProcess({ modelPath, dataDir, env: all })
  const { baseUrl, token } = engine
  const client = createEngine({ name: 'gpu', baseUrl, token, fetch, timeoutMs: TIMEOUT_MS })
  return { process: engine, client }
}

/** Starts an engine for as long as `work` takes. */
export const withEngine = async <Result>(
  { folder }: PartContext,
  model: string,
  work: (engine: StartedEngine) => Promise<Result>,
  env: Record<string, string> = {}
): Promise<Result> => {
  const engine = await startEngine(model, join(folder, nameOf(model)), env)
  try {
    return await work(engine)
  } finally {
    await engine.process.close()
  }
}

/** What a lora learns: the order without its prompt, and the shelf. */
export const orderRows = (count: number): TrainingRow[] =>
  Array.from({ length: count }, (_, number) => ({
    messages: [
      ...orderOf(number).messages.slice(1),
      { role: 'assistant' as const, content: shelfOf(number) },
    ],
  })) as TrainingRow[]

/** Trains a lora by a job. @returns the job, ended */
export const trainLora = async (
  client: Engine,
  rows: TrainingRow[],
  steps: number
): Promise<JobObject> => {
  const base = (await client.models()).find(({ parent }) => parent === undefined)!
  const file = await client.uploadRows(rows, 'orders.jsonl')
  let job = await client.createJob({
    model: base.id,
    training_file: file,
    hyperparameters: { max_steps: steps },
  })
  while (isUnfinished(job)) {
    await delay(POLL_MS)
    job = await client.getJob(job.id)
  }
  return job
}
