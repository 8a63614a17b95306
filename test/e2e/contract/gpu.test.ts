import { join } from 'node:path'
import { afterAll, describe, it, vi } from 'vitest'
import { writeRandomModel, type RandomModelOptions } from '../../kit/model/random-model.ts'
import { BY_STAND_IN, missingForTrainer, startGpuProcess } from '../../kit/process/gpu-process.ts'
import { row } from '../../contract/harness.ts'
import { describeContract, type Capabilities } from '../../contract/suite.ts'
import { tinyModel } from '../../contract/tiny-model.ts'
import { byVllmItself, CPU_ENV, WIDE } from '../../kit/vllm/itself.ts'
import { startReplicas } from '../../kit/vllm/replica.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

interface Serving {
  name: string
  /** of the engine */
  env: Record<string, string>
  capabilities: Capabilities
  shape?: Omit<RandomModelOptions, 'seed'>
  /** servers that find loras in a folder, and how they are started */
  replicas?: { count: number; command: string; env?: NodeJS.ProcessEnv }
  /** why it cannot be tried here */
  missing?: string | null
}

/** Each of these tests trains by Python processes, and no server takes part. */
const SAME_TRAINER = { training: 'its trainer is tested before another server' }
const NOT_BOUND = { 'bound-calls': 'it does not bind a generation to schemas' }
const tiny = tinyModel(80)
/** Soon learned, and long: one token at a time over a connection takes seconds. */
const laughter = row('Laugh', 'ha '.repeat(100))
const slow: Capabilities = {
  ...tiny,
  rows: [...tiny.rows, laughter],
  slowPrompt: laughter.messages.slice(0, -1),
  lacks: NOT_BOUND,
  // on a machine that stalls for seconds, a slow answer ends before the client can disconnect
  retries: { 'slow-answer': 2 },
}

/** At the usual rate, whether such a model learns its rows is up to how a processor rounds. */
const wide: Capabilities = {
  ...slow,
  shortTraining: { ...slow.shortTraining, learning_rate: 3e-3 },
}

const vllm = process.env['VLLM_COMMAND'] ?? ''

const missing = vllm === '' ? 'VLLM_COMMAND does not say how it is started' : null

const SERVINGS: Serving[] = [
  {
    name: "gpu, vLLM's API by a stand-in",
    env: { STAND_IN_TOKEN_MS: '10' },
    capabilities: slow,
  },
  {
    name: 'gpu, vLLM itself',
    env: byVllmItself(vllm),
    capabilities: wide,
    shape: WIDE,
    missing,
  },
  {
    name: 'gpu, two stand-ins that find loras in a folder',
    env: {},
    capabilities: {
      ...slow,
      lacks: { ...NOT_BOUND, ...SAME_TRAINER, resume: SAME_TRAINER.training },
    },
    replicas: {
      count: 2,
      command: BY_STAND_IN.ENGINE_VLLM_COMMAND,
      env: { STAND_IN_TOKEN_MS: '10' },
    },
  },
  {
    name: 'gpu, vLLM itself, which finds loras in a folder',
    env: {},
    capabilities: wide,
    shape: WIDE,
    replicas: { count: 1, command: vllm, env: CPU_ENV },
    missing,
  },
]

const modelFolder = sharedFolder()

const describeGpu = ({ name, env, capabilities, shape, replicas }: Serving): void => {
  const folder = join(modelFolder, name)
  const modelPath = join(folder, 'tiny')
  writeRandomModel(modelPath, { seed: 11, ...shape })
  let servers: Awaited<ReturnType<typeof startReplicas>> | undefined
  afterAll(() => servers?.close())
  const start = async (dataDir: string) => {
    if (replicas !== undefined)
      servers ??= await startReplicas(replicas.count, {
        command: replicas.command,
        modelPath,
        loraFolder: join(folder, 'loras'),
        env: { ...process.env, ...replicas.env },
      })
    return startGpuProcess({ modelPath, dataDir, env: { ...env, ...servers?.env } })
  }
  describeContract(name, start, capabilities)
}

// each job is a process that loads torch, and vLLM takes a minute or two to start
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })
const missingForAll = missingForTrainer()
for (const serving of SERVINGS) {
  const reason = missingForAll ?? serving.missing ?? null
  if (reason === null) describeGpu(serving)
  else
    describe.skip(`engine contract: ${serving.name} (${reason})`, () =>
      it('is skipped', () => undefined))
}
