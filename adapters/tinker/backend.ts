/** Trains and serves at Tinker, for those who have no GPU. Texts, tokens and the loras' files stay here. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { EnginePrices } from '../../src/openai/engine-state.ts'
import { trainByProcess, type TrainDeps } from '../gpu/train.ts'
import type { EngineBackend, TrainHooks, TrainResult } from '../host/backend.ts'
import type { Log } from '../host/log.ts'
import { createLocalLauncher } from '../launch/local-process.ts'
import { createLoraBackend, type LoraTask } from '../lora/lora-backend.ts'
import { Loras } from '../lora/loras.ts'
import { openWithoutWeights, type BaseModel } from '../model/open-model.ts'
import { Deletions } from '../publish/deletions.ts'
import { openReceipts } from '../publish/receipts.ts'
import { TinkerChild } from '../publish/tinker/tinker-child.ts'
import { createTinkerPublisher, PLACEMENT, RECORD } from '../publish/tinker/tinker.ts'
import { SourcedConditions } from './conditions.ts'
import { pricesOf } from './prices.ts'
import { invalidRequest } from '../host/invalid-request.ts'

/** The provider's loras have this one alone. */
const ALPHA = 32
const CHECKPOINT_SECONDS = 60
const DELETION_PAUSE_MS = 60_000
const LONGEST_DELETION_PAUSE_MS = 3_600_000

export interface TinkerBackendDeps {
  /** a Hugging Face folder of the base model, whose weights are not needed */
  modelPath: string
  /** the base model's name at the provider */
  baseModel: string
  /** gets `loras` and `receipts.jsonl` */
  dataDir: string
  /** a Python with the provider's SDK */
  python: string
  /** has `train.py` and `serve.py` */
  scripts: string
  /** of the serving child; the training one has this process's */
  env: NodeJS.ProcessEnv
  /** who gets rows and requests, for people */
  provider: string
  /** null: the list's */
  prices: EnginePrices | null
  log: Log
  checkpointSeconds?: number
  /** the first one */
  deletionPauseMs?: number
  /** milliseconds since the epoch */
  now?: () => number
}

const checkAlpha = ({ hyperparameters }: LoraTask): void => {
  if ((hyperparameters.alpha ?? ALPHA) !== ALPHA)
    throw invalidRequest(
      `alpha is ${ALPHA} for every lora of this provider`,
      'hyperparameters.alpha'
    )
}

/** @throws AppError `internal`: the weights mean another lora under another scale */
const checkExport = async (output: string, rank: number): Promise<void> => {
  const text = await readFile(join(output, 'adapter_config.json'), 'utf8')
  const exported = JSON.parse(text) as { r?: number; lora_alpha?: number }
  if (exported.r !== rank || exported.lora_alpha !== ALPHA)
    throw new AppError(
      'internal',
      `the provider’s export has rank ${exported.r} and alpha ${exported.lora_alpha}, not ${rank} and ${ALPHA}`
    )
}

const trainingThere = (
  { baseModel, python, scripts, checkpointSeconds = CHECKPOINT_SECONDS }: TinkerBackendDeps,
  base: BaseModel,
  loras: Loras,
  onConditions: (conditions: string[]) => void
): TrainDeps => ({
  base,
  loras,
  launcher: createLocalLauncher({
    python,
    script: join(scripts, 'train.py'),
    onConditions,
    advice: `the log of the engine has its last words; ${scripts}/install.sh installs what it needs`,
  }),
  options: { checkpoint_seconds: checkpointSeconds },
  computing: { placement: PLACEMENT, facts: [baseModel] },
  // the provider's own answers cost as much again, and no figure asks for them
  replayShare: 0,
  startOf: (task, { rank }) => ({
    model_path: baseModel,
    start: task.lora === null ? '' : join(loras.path(task.lora), RECORD),
    rank,
  }),
  besides: () => [RECORD],
  checkOutput: (output, { rank }) => checkExport(output, rank),
})

/**
 * Ready when it resolves, also while the provider does not answer, which `state` says.
 * @throws AppError `invalid-model`, `store-unavailable`
 */
export const createTinkerBackend = async (deps: TinkerBackendDeps): Promise<EngineBackend> => {
  const { modelPath, baseModel, dataDir, python, scripts, env, provider, log } = deps
  const now = deps.now ?? Date.now
  const base = await openWithoutWeights(modelPath, `tinker ${baseModel}`)
  const loras = await Loras.open(join(dataDir, 'loras'), base, log)
  const receipts = await openReceipts(dataDir)
  const conditions = new SourcedConditions(now)
  const child = new TinkerChild({
    command: { python, script: join(scripts, 'serve.py'), baseModel, env },
    onConditions: (names) => conditions.set('serving', names),
    log,
  })
  const deletions = new Deletions({
    provider: 'tinker',
    receipts,
    remove: async (path) => {
      const answer = await child.call({ call: 'delete', path })
      return (answer as { gone?: unknown }).gone === true
    },
    onPending: ({ length }) => conditions.set('deletions', length > 0 ? ['not-deleted'] : []),
    log,
    now,
    firstPauseMs: deps.deletionPauseMs ?? DELETION_PAUSE_MS,
    longestPauseMs: LONGEST_DELETION_PAUSE_MS,
  })
  const publisher = createTinkerPublisher({
    child,
    base,
    loras,
    deletions,
    receipts,
    state: () => ({
      object: 'engine',
      provider,
      prices: pricesOf(baseModel, deps.prices),
      conditions: conditions.list(),
    }),
  })
  const training = trainingThere(deps, base, loras, (names) => conditions.set('training', names))
  return createLoraBackend({
    base,
    loras,
    serving: publisher,
    train: async (task: LoraTask, hooks: TrainHooks): Promise<TrainResult> => {
      checkAlpha(task)
      const result = await trainByProcess(training, task, hooks)
      const onWait = (message: string): void => hooks.onMessage('warn', message)
      await publisher.publish(result.model, onWait, hooks.signal)
      return result
    },
  })
}
