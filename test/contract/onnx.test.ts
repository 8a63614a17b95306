import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { writeRandomModel } from '../fakes/random-model.ts'
import { describeContract, type RunningEngine } from './suite.ts'
import { loadBuilt } from '../fixtures/built.ts'
import { tinyModel } from './tiny-model.ts'

const modelFolder = mkdtempSync(join(tmpdir(), 'contract-onnx-'))
const modelPath = join(modelFolder, 'tiny')
writeRandomModel(modelPath, { seed: 11 })
afterAll(() => rmSync(modelFolder, { recursive: true }))

type Host = typeof import('../../adapters/contract/host.ts')
type Backend = typeof import('../../adapters/onnx/backend.ts')
const { listen, openEngineHost } = await loadBuilt<Host>('adapters/contract/host.ts')
const { createOnnxBackend } = await loadBuilt<Backend>('adapters/onnx/backend.ts')

const TOKEN = 'contract-token'

const log = (): void => undefined

const startOnnx = async (dataDir: string): Promise<RunningEngine> => {
  const backend = await createOnnxBackend({
    modelPath,
    dataDir,
    threads: 1,
    precision: 'q4',
    checkpointSeconds: 0.1,
    log,
  })
  const host = await openEngineHost({ backend, dataDir, token: TOKEN, log })
  const server = await listen(host.app)
  return {
    baseUrl: `http://127.0.0.1:${server.port}/v1`,
    token: TOKEN,
    async close() {
      await server.close()
      await host.close()
    },
  }
}

describeContract('onnx', startOnnx, tinyModel(120))
