/** The GPU engine: `adapters/trainer` trains in processes of its own, vLLM serves. */
import { join, resolve } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { EngineBackend } from '../host/backend.ts'
import type { Log } from '../host/log.ts'
import { DEFAULT_RANK } from '../lora/hyperparameters.ts'
import { createLoraBackend, type LoraTask } from '../lora/lora-backend.ts'
import { Loras } from '../lora/loras.ts'
import { openModel, type BaseModel } from '../model/open-model.ts'
import { reachVllm, startVllm } from '../publish/start-vllm.ts'
import { createVllmPublisher, type VllmServer } from '../publish/vllm.ts'
import type { GpuOptions } from './environment.ts'
import { trainByProcess } from './train.ts'
import { trainingOnGpu } from './training-on-gpu.ts'

export interface GpuBackendDeps {
  options: GpuOptions
  /** gets the folder `loras` */
  dataDir: string
  /** `train.py` */
  trainerScript: string
  /** what vLLM's process is given */
  env: NodeJS.ProcessEnv
  log: Log
}

/** With no longer context than is served: longer rows would be trained in vain. */
const openBase = async (modelPath: string, maxModelLen: number): Promise<BaseModel> => {
  const { config, fingerprintOf, close, ...opened } = await openModel(modelPath)
  const maxPositions = Math.min(config.maxPositions, maxModelLen)
  try {
    return { ...opened, config: { ...config, maxPositions }, fingerprint: fingerprintOf('float32') }
  } finally {
    close()
  }
}

/** @throws AppError `invalid-request`: a lora that cannot be served would be trained in vain */
const checkRank = ({ lora, hyperparameters }: LoraTask, maxLoraRank: number): void => {
  const rank = hyperparameters.rank ?? DEFAULT_RANK
  // one that starts from a lora has its rank, which is served already
  if (lora === null && rank > maxLoraRank)
    throw new AppError(
      'invalid-request',
      `rank ${rank} is more than vLLM was started for, ${maxLoraRank}; raise ENGINE_VLLM_MAX_LORA_RANK`,
      { param: 'hyperparameters.rank' }
    )
}

const openServer = (
  { options: { vllm, training }, env, log }: GpuBackendDeps,
  modelPath: string,
  base: BaseModel
): Promise<VllmServer> | VllmServer => {
  if ('url' in vllm) return reachVllm(vllm.url, vllm.apiKey)
  const { dtype, device } = training
  return startVllm(vllm, { modelPath, base, dtype, device }, env, log)
}

/**
 * Ready to serve when it resolves.
 * @throws AppError `invalid-model`, `store-unavailable`, `engine-unavailable` when vLLM does not start
 */
export const createGpuBackend = async (deps: GpuBackendDeps): Promise<EngineBackend> => {
  const { options, dataDir, trainerScript, log } = deps
  const { training, replayShare, maxLoraRank, python } = options
  const modelPath = resolve(options.modelPath)
  const base = await openBase(modelPath, options.maxModelLen)
  // vLLM is told the paths, and has another working directory
  const loras = await Loras.open(resolve(join(dataDir, 'loras')), base, log)
  const server = await openServer(deps, modelPath, base)
  const publisher = createVllmPublisher({ server, base, dtype: training.dtype, loras, log })
  const trainDeps = trainingOnGpu({
    base,
    modelPath,
    loras,
    trainer: { python, script: trainerScript },
    options: training,
    replayShare,
  })
  return createLoraBackend({
    base,
    loras,
    serving: publisher,
    train: async (task, hooks) => {
      checkRank(task, maxLoraRank)
      const result = await trainByProcess(trainDeps, task, hooks)
      // it is not announced before it can answer
      await publisher.publish(result.model)
      return result
    },
  })
}
