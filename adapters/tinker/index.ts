/** How the composition root gets the engine at Tinker: as a process of its own. */
import type { EnginePrices } from '../../src/openai/engine-state.ts'
import type { OnChildFault } from '../../src/process/supervise.ts'
import { type EngineProcess, startEngineProcess } from '../host/start-process.ts'

const entry = new URL(
  import.meta.url.endsWith('.ts') ? './process.ts' : './process.js',
  import.meta.url
)

export interface TinkerOptions {
  /** a Hugging Face folder of the base model, whose weights are not needed */
  modelPath: string
  /** the base model's name at the provider */
  baseModel: string
  apiKey: string
  /** null: the provider's own */
  baseUrl: string | null
  /** null: the list's */
  prices: EnginePrices | null
  /** null: what `adapters/tinker/install.sh` made, or the system's */
  python: string | null
  /** a folder of a sentence encoder, for heads, which are trained here; null: there are none */
  encoderPath: string | null
  /** of the heads; 0: all cores */
  threads: number
}

/**
 * @throws AppError `invalid-model` when the folder cannot be read, `engine-unavailable`
 */
export const startTinkerEngine = ({
  dataDir,
  onFault,
  ...options
}: TinkerOptions & { dataDir: string; onFault: OnChildFault }): Promise<EngineProcess> =>
  startEngineProcess({
    name: 'tinker',
    entry,
    dataDir,
    onFault,
    env: {
      TINKER_MODEL_PATH: options.modelPath,
      TINKER_BASE_MODEL: options.baseModel,
      TINKER_API_KEY: options.apiKey,
      // the SDK reports errors of its callers by default
      TINKER_TELEMETRY: '0',
      TINKER_THREADS: String(options.threads),
      ...(options.baseUrl !== null && { TINKER_BASE_URL: options.baseUrl }),
      ...(options.prices !== null && { TINKER_PRICES: JSON.stringify(options.prices) }),
      ...(options.python !== null && { TINKER_PYTHON: options.python }),
      ...(options.encoderPath !== null && { TINKER_ENCODER_PATH: options.encoderPath }),
    },
  })
