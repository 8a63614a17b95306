import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { writeRandomModel } from '../fakes/random-model.ts'
import { serveEngine } from './harness.ts'
import { describeContract, type RunningEngine } from './suite.ts'
import { loadBuilt } from '../fixtures/built.ts'
import { tinyModel } from './tiny-model.ts'

const modelFolder = mkdtempSync(join(tmpdir(), 'contract-onnx-'))
const modelPath = join(modelFolder, 'tiny')
writeRandomModel(modelPath, { seed: 11 })
afterAll(() => rmSync(modelFolder, { recursive: true }))

type Host = typeof import('../../adapters/contract/host.ts')
type Backend = typeof import('../../adapters/onnx/backend.ts')
const host = await loadBuilt<Host>('adapters/contract/host.ts')
const { createOnnxBackend } = await loadBuilt<Backend>('adapters/onnx/backend.ts')

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
  return serveEngine(backend, dataDir, host)
}

describeContract('onnx', startOnnx, tinyModel(120))
