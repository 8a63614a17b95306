/** The GPU engine as a process: environment → backend → HTTP. README.md has the environment. */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { packageFolder } from '../../src/package-folder.ts'
import { runEngineProcess } from '../host/run-process.ts'
import { withEncoder } from '../onnx/label-heads.ts'
import { createGpuBackend } from './backend.ts'
import { readGpuOptions } from './environment.ts'

const DEFAULT_PORT = 8000

const trainerFolder = join(packageFolder(), 'adapters/trainer')
const ownPython = join(trainerFolder, '.venv/bin/python')

await runEngineProcess({
  name: 'gpu',
  env: { ENGINE_PORT: String(DEFAULT_PORT), ...process.env },
  // not of every engine's: an embedded one must stay private
  hostname: process.env['ENGINE_HOST'] || undefined,
  createBackend: async (dataDir, log) => {
    const options = readGpuOptions(process.env, {
      hasGpu: existsSync('/dev/nvidiactl'),
      python: existsSync(ownPython) ? ownPython : 'python3',
    })
    const trainerScript = join(trainerFolder, 'train.py')
    const backend = await createGpuBackend({
      options,
      dataDir,
      trainerScript,
      env: process.env,
      log,
    })
    const { encoderPath } = options
    const threads = options.training.threads ?? availableParallelism()
    return encoderPath === null
      ? backend
      : withEncoder(backend, { encoderPath, dataDir, threads, log })
  },
})
