/** The GPU engine: `adapters/trainer` trains in processes of its own, vLLM serves. */
import { join, resolve } from 'node:path'
import { toAppError } from '../../src/errors.ts'
import type { EngineBackend, TrainHooks } from '../host/backend.ts'
import type { Log } from '../host/log.ts'
import { DEFAULT_RANK } from '../lora/hyperparameters.ts'
import { createLoraBackend, type LoraTask } from '../lora/lora-backend.ts'
import { Loras } from '../lora/loras.ts'
import { openModel, type BaseModel } from '../model/open-model.ts'
import { createLoraFolder } from './vllm/lora-folder.ts'
import { reachVllm, startVllm } from './vllm/start-vllm.ts'
import { isAway, VllmPublisher } from './vllm/vllm.ts'
import type { GpuOptions } from './environment.ts'
import { createTraining } from './train-command.ts'
import { trainByCommand } from './train.ts'
import { invalidRequest } from '../host/validation.ts'

export interface GpuBackendDeps {
  options: GpuOptions
  /** gets the folder `loras` */
  dataDir: string
  /** `train.py` */
  trainerScript: string
  /** what the processes of training and of vLLM are given */
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
    throw invalidRequest(
      `rank ${rank} is more than vLLM was started for, ${maxLoraRank}; raise ENGINE_VLLM_MAX_LORA_RANK`,
      'hyperparameters.rank'
    )
}

/**
 * Trained and stored, but not published yet: no training is repeated for that. Requests get
 * `engine-unavailable` and try again, and the proxy goes to the upstream meanwhile.
 */
const publishOrWarn = async (
  publisher: VllmPublisher,
  model: string,
  { onMessage }: TrainHooks
): Promise<void> => {
  try {
    await publisher.publish(model)
  } catch (error) {
    if (!isAway(error)) throw error
    onMessage('warn', `The lora is stored and cannot be served yet: ${toAppError(error).message}`)
  }
}

const openPublisher = async (
  deps: GpuBackendDeps,
  modelPath: string,
  base: BaseModel,
  loras: Loras
): Promise<VllmPublisher> => {
  const { options, env, log } = deps
  const { dtype, device } = options.training
  const { vllm } = options
  const [server, path] =
    'urls' in vllm
      ? [reachVllm(vllm.urls, vllm.apiKey), vllm.loraFolder]
      : [await startVllm(vllm, { modelPath, base, dtype, device }, env, log), null]
  // in which replicas find loras; without one vLLM loads each from where it is stored
  const folder = path === null ? null : createLoraFolder(resolve(path))
  return new VllmPublisher({ server, base, dtype, loras, log, folder })
}

/**
 * Ready to serve when it resolves.
 * @throws AppError `invalid-config`, `invalid-model`, `store-unavailable`, `engine-unavailable` when vLLM does
 * not start
 */
export const createGpuBackend = async (deps: GpuBackendDeps): Promise<EngineBackend> => {
  const { options, trainerScript, env, log } = deps
  const { training, maxLoraRank, python, trainCommand } = options
  const modelPath = resolve(options.modelPath)
  const dataDir = resolve(deps.dataDir)
  const base = await openBase(modelPath, options.maxModelLen)
  // vLLM is told the paths, and has another working directory
  const loras = await Loras.open(join(dataDir, 'loras'), base, log)
  const publisher = await openPublisher(deps, modelPath, base, loras)
  const run = createTraining({ command: trainCommand, python, script: trainerScript, env, log })
  const trainDeps = { base, modelPath, loras, run, options: training }
  return createLoraBackend({
    base,
    loras,
    serving: publisher,
    train: async (task, hooks) => {
      checkRank(task, maxLoraRank)
      const result = await trainByCommand(trainDeps, task, hooks)
      // so that it can answer when it is announced
      await publishOrWarn(publisher, result.model, hooks)
      return result
    },
  })
}
