/**
 * The engine at Tinker as a process of its own. The environment is what `index.ts` sets, and what the
 * provider's SDK reads: TINKER_API_KEY, TINKER_BASE_URL.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { EnginePrices } from '../../src/openai/engine-state.ts'
import { packageFolder } from '../../src/package-folder.ts'
import { runEngineProcess } from '../host/run-process.ts'
import { withEncoder } from '../onnx/label-heads.ts'
import { createTinkerBackend } from './backend.ts'

const scripts = join(packageFolder(), 'adapters/tinker')
const ownPython = join(scripts, '.venv/bin/python')

const { env } = process
const required = (name: string): string => {
  const value = env[name]
  if (!value) throw new AppError('invalid-config', `${name} is not set`)
  return value
}

await runEngineProcess({
  name: 'tinker',
  env,
  createBackend: async (dataDir, log) => {
    const { TINKER_BASE_URL: url, TINKER_PRICES: prices, TINKER_ENCODER_PATH: encoderPath } = env
    const backend = await createTinkerBackend({
      modelPath: required('TINKER_MODEL_PATH'),
      baseModel: required('TINKER_BASE_MODEL'),
      dataDir,
      python: env['TINKER_PYTHON'] || (existsSync(ownPython) ? ownPython : 'python3'),
      scripts,
      env,
      provider: url ? new URL(url).host : 'Tinker (Thinking Machines)',
      prices: prices ? (JSON.parse(prices) as EnginePrices) : null,
      log,
    })
    const threads = Number(env['TINKER_THREADS']) || availableParallelism()
    return encoderPath ? withEncoder(backend, { encoderPath, dataDir, threads, log }) : backend
  },
})
