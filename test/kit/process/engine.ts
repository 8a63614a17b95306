/** The embedded engine, started for one measurement, with a client that talks to it. */
import { startOnnxEngine } from '../../../adapters/onnx/index.ts'
import { createEngine } from '../../../src/engine/client.ts'
import type { Engine } from '../../../src/engine/engine.ts'

const TIMEOUT_MS = 600_000

export interface RunningEngine {
  engine: Engine
  /** ends in `/v1` */
  baseUrl: string
  token: string
  pid: () => number | undefined
  close(): Promise<void>
}

/** @throws AppError `invalid-model` when the model cannot be loaded */
export const openEngine = async (options: {
  modelPath: string
  /** none: no heads */
  encoderPath?: string | null
  dataDir: string
  /** default: all cores */
  threads?: number
}): Promise<RunningEngine> => {
  const { baseUrl, token, pid, close } = await startOnnxEngine({
    ...options,
    onFault: console.error,
  })
  const engine = createEngine({ name: 'bench', baseUrl, token, fetch, timeoutMs: TIMEOUT_MS })
  return { engine, baseUrl, token, pid, close }
}
