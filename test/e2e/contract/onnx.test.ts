import { join } from 'node:path'
import { writeRandomModel } from '../../kit/model/random-model.ts'
import { serveEngine } from '../../contract/harness.ts'
import { describeLabelHeads } from '../../contract/label-head-suite.ts'
import { writeTinyBert } from '../../kit/model/tiny-bert.ts'
import type { RunningEngine } from '../../contract/driver.ts'
import { describeContract } from '../../contract/suite.ts'
import { loadBuilt } from '../../kit/process/built.ts'
import { tinyModel } from '../../contract/tiny-model.ts'
import { sharedFolder } from '../../kit/temporary-folder.ts'

const modelFolder = sharedFolder()
const modelPath = join(modelFolder, 'tiny')
writeRandomModel(modelPath, { seed: 11 })
const encoderPath = join(modelFolder, 'tiny-bert')
writeTinyBert(encoderPath, { seed: 12 })

type Host = typeof import('../../../adapters/host/host.ts')
type Backend = typeof import('../../../adapters/onnx/backend.ts')
const host = await loadBuilt<Host>('adapters/host/host.ts')
const { createOnnxBackend } = await loadBuilt<Backend>('adapters/onnx/backend.ts')

type LabelHeads = typeof import('../../../adapters/onnx/label-heads.ts')
const { withEncoder } = await loadBuilt<LabelHeads>('adapters/onnx/label-heads.ts')

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

const startWithEncoder = async (dataDir: string): Promise<RunningEngine> => {
  const backend = await createOnnxBackend({ modelPath, dataDir, threads: 1, log })
  const options = { encoderPath, dataDir, threads: 1, log }
  return serveEngine(await withEncoder(backend, options), dataDir, host)
}

describeLabelHeads('onnx', startWithEncoder, {
  encoder: 'tiny-bert',
  baseModel: 'tiny',
  maxTokens: 16,
})
