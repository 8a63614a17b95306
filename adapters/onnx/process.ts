/**
 * The embedded engine as a process of its own. ONNX_MODEL_PATH names the model of loras, ONNX_ENCODER_PATH the
 * encoder of label heads: one of them, or both. ONNX_THREADS limits the cores.
 */
import { availableParallelism } from 'node:os'
import { AppError } from '../../src/errors.ts'
import { noModel } from '../host/model-records.ts'
import { runEngineProcess } from '../host/run-process.ts'
import { createOnnxBackend } from './backend.ts'
import { withEncoder } from './label-heads.ts'

const {
  ONNX_MODEL_PATH: modelPath,
  ONNX_ENCODER_PATH: encoderPath,
  ONNX_THREADS: givenThreads,
} = process.env

await runEngineProcess({
  name: 'onnx',
  env: process.env,
  createBackend: async (dataDir, log) => {
    if (!modelPath && !encoderPath)
      throw new AppError('invalid-config', 'neither ONNX_MODEL_PATH nor ONNX_ENCODER_PATH is set')
    const threads = Number(givenThreads) || availableParallelism()
    const backend = modelPath
      ? await createOnnxBackend({ modelPath, dataDir, threads, log })
      : noModel
    return encoderPath ? withEncoder(backend, { encoderPath, dataDir, threads, log }) : backend
  },
})
