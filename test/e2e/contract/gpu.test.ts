import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { afterAll, describe, it, vi } from 'vitest'
import { HostedStandIn } from '../../kit/hosted/stand-in.ts'
import { writeRandomModel, type RandomModelOptions } from '../../kit/model/random-model.ts'
import { missingForTrainer, startGpuProcess } from '../../kit/process/gpu-process.ts'
import { row } from '../../contract/harness.ts'
import { describeContract, type Capabilities } from '../../contract/suite.ts'
import { tinyModel } from '../../contract/tiny-model.ts'
import { byVllmItself } from '../../contract/vllm-itself.ts'

interface Serving {
  name: string
  /** of the engine */
  env: Record<string, string>
  capabilities: Capabilities
  shape?: Omit<RandomModelOptions, 'seed'>
  /** why it cannot be tried here */
  missing?: string | null
}

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

/** vLLM's attention knows no narrower heads. */
const WIDE = { hiddenSize: 256, heads: 4 }
/** At the usual rate, whether such a model learns its rows is up to how a processor rounds. */
const wide: Capabilities = {
  ...slow,
  shortTraining: { ...slow.shortTraining, learning_rate: 3e-3 },
}

const vllm = process.env['VLLM_COMMAND'] ?? ''

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
    missing: vllm === '' ? 'VLLM_COMMAND does not say how it is started' : null,
  },
]

const modelFolder = mkdtempSync(join(tmpdir(), 'contract-gpu-'))
afterAll(() => rmSync(modelFolder, { recursive: true }))

const HOSTED_MODEL = 'vendor/tiny'

/** A host that outlives the engine, with the loras that this stores. */
const startHost = async (modelPath: string, dataDir: () => string): Promise<string> => {
  const standIn = await HostedStandIn.open({
    modelPath,
    model: HOSTED_MODEL,
    key: 'key',
    folder: modelFolder,
    loraFolder: (lora) => join(dataDir(), 'loras', lora),
    faults: () => ({}),
  })
  const server = createServer(getRequestListener(standIn.app.fetch)).listen(0, '127.0.0.1')
  afterAll(async () => {
    server.closeAllConnections()
    server.close()
    await standIn.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const describeGpu = ({ name, env, capabilities, shape }: Serving): void => {
  const modelPath = join(modelFolder, name, 'tiny')
  writeRandomModel(modelPath, { seed: 11, ...shape })
  describeContract(name, (dataDir) => startGpuProcess({ modelPath, dataDir, env }), capabilities)
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

if (missingForAll === null) {
  const modelPath = join(modelFolder, 'hosted', 'tiny')
  writeRandomModel(modelPath, { seed: 11 })
  let dataDirOfHost = ''
  const host = await startHost(modelPath, () => dataDirOfHost)
  const startHosted = (dataDir: string) => {
    dataDirOfHost = dataDir
    const env = {
      ENGINE_PUBLISH: 'nebius',
      ENGINE_HOSTED_URL: host,
      ENGINE_HOSTED_KEY: 'key',
      ENGINE_HOSTED_MODEL: HOSTED_MODEL,
    }
    return startGpuProcess({ modelPath, dataDir, env })
  }
  describeContract('gpu, a host by a stand-in', startHosted, {
    ...tiny,
    provider: 'Nebius Token Factory',
    lacks: {
      ...NOT_BOUND,
      ...tiny.lacks,
      'json-object': 'the host binds no answer',
      seed: 'the host takes no seed',
      'top-logprobs': 'an alternative that is half a character has no text',
    },
  })
}
