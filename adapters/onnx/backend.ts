/**
 * The embedded engine: one base model and its loras. It generates in this process, and trains and
 * computes losses in child processes.
 */
import { join } from 'node:path'
import type { EngineBackend } from '../host/backend.ts'
import type { Log } from '../host/log.ts'
import { createLoraBackend } from '../lora/lora-backend.ts'
import { Loras } from '../lora/loras.ts'
import { createGenerator, type GeneratorOptions } from './generate/generator.ts'
import { loadModel, type Precision } from './load-model.ts'
import { matricesOf } from './generate/fused-lora.ts'
import { Losses } from './losses.ts'
import { runTrainingJob } from './training-jobs.ts'

export interface OnnxBackendOptions {
  /** a GGUF file or a Hugging Face folder */
  modelPath: string
  /** gets the folders `loras` and `cache` */
  dataDir: string
  threads: number
  log: Log
  /** of the weights, in serving and in training; default `auto` of `loadModel` */
  precision?: Precision
  /** limits of serving; the defaults are the generator's */
  generator?: Partial<Pick<GeneratorOptions, 'maxRows' | 'maxCacheBytes' | 'maxLoraBytes'>>
  checkpointSeconds?: number
  /** told the process id of every training process */
  onTrainingProcess?: (pid: number | undefined) => void
}

/**
 * Loads the model and its loras and is ready to serve when it resolves.
 * @throws AppError `invalid-model`, `store-unavailable`
 */
export const createOnnxBackend = async (options: OnnxBackendOptions): Promise<EngineBackend> => {
  const { modelPath, dataDir, threads, checkpointSeconds, log } = options
  const model = await loadModel(modelPath, options.precision ?? 'auto')
  const { precision } = model
  const lorasDir = join(dataDir, 'loras')
  const cacheDir = join(dataDir, 'cache')
  const setup = { modelPath, precision, cacheDir, lorasDir, threads, checkpointSeconds }
  try {
    const loras = await Loras.open(lorasDir, model, log)
    const generator = await createGenerator({
      ...options.generator,
      config: model.config,
      weights: model.weights,
      loadLora: async (id) => matricesOf(await loras.read(id)),
      threads,
      expectsLoras: loras.list().length > 0,
    })
    const losses = new Losses(setup)
    return createLoraBackend({
      base: model,
      loras,
      serving: {
        maxPositions: generator.maxPositions,
        generate: (request, signal) => generator.generate(request, signal),
        losses: (lora, rows) => losses.compute(lora, rows),
        unload: async (lora) => generator.unloadLora(lora),
        async close() {
          await losses.close()
          await generator.close()
          model.close()
        },
      },
      train: (task, hooks) =>
        runTrainingJob(
          task,
          (taskFile) => ({ kind: 'train', setup, taskFile }),
          hooks,
          options.onTrainingProcess
        ),
    })
  } catch (error) {
    model.close()
    throw error
  }
}
