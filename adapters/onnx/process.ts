/**
 * The embedded engine as a process of its own. ONNX_MODEL_PATH names the model, ONNX_THREADS limits
 * the cores.
 */
import { availableParallelism } from 'node:os'
import { AppError } from '../../src/errors.ts'
import { runEngineProcess } from '../contract/run-process.ts'
import { createOnnxBackend } from './backend.ts'

const { ONNX_MODEL_PATH: modelPath, ONNX_THREADS: threads } = process.env

await runEngineProcess({
  name: 'onnx',
  env: process.env,
  createBackend: async (dataDir, log) => {
    if (!modelPath) throw new AppError('invalid-config', 'ONNX_MODEL_PATH is not set')
    return createOnnxBackend({
      modelPath,
      dataDir,
      threads: Number(threads) || availableParallelism(),
      log,
    })
  },
})
