/**
 * The embedded engine as a process of its own. ONNX_MODEL_PATH names the model, ONNX_ENCODER_PATH the
 * encoder of label heads, if there are to be any, and ONNX_THREADS limits the cores.
 */
import { availableParallelism } from 'node:os'
import { AppError } from '../../src/errors.ts'
import { runEngineProcess } from '../contract/run-process.ts'
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
    if (!modelPath) throw new AppError('invalid-config', 'ONNX_MODEL_PATH is not set')
    const threads = Number(givenThreads) || availableParallelism()
    const backend = await createOnnxBackend({ modelPath, dataDir, threads, log })
    return encoderPath ? withEncoder(backend, { encoderPath, dataDir, threads, log }) : backend
  },
})
