import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { writeRandomModel } from '../../adapters/onnx/model/random-model.ts'
import { build } from '../../bench/harness/build.ts'
import { serveEngine } from './harness.ts'
import { describeContract, type RunningEngine } from './suite.ts'
import { tinyModel } from './tiny-model.ts'

const modelFolder = mkdtempSync(join(tmpdir(), 'contract-onnx-'))
const modelPath = join(modelFolder, 'tiny')
writeRandomModel(modelPath, { seed: 11 })
afterAll(() => rmSync(modelFolder, { recursive: true }))

// every job is a process, which starts faster from JavaScript
const built = build('contract-onnx', [
  'adapters/contract/host.ts',
  'adapters/onnx/backend.ts',
  'adapters/onnx/train-process.ts',
])
afterAll(built.remove)
type Host = typeof import('../../adapters/contract/host.ts')
type Backend = typeof import('../../adapters/onnx/backend.ts')
const host = await built.load<Host>('adapters/contract/host.ts')
const { createOnnxBackend } = await built.load<Backend>('adapters/onnx/backend.ts')

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
