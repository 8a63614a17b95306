/** How the composition root gets the embedded engine: as a process of its own. */
import { moduleBeside, type OnChildFault } from '../../src/process/supervise.ts'
import { type EngineProcess, startEngineProcess } from '../host/start-process.ts'

/**
 * @param options.modelPath a GGUF file or a Hugging Face folder, for loras; null: there are none
 * @param options.encoderPath a folder of a sentence encoder, for label heads; null: there are none
 * @param options.threads of the serving process, and again of a training one; default: all cores
 * @throws AppError `invalid-model` when the model cannot be loaded, `engine-unavailable`
 */
export const startOnnxEngine = ({
  dataDir,
  modelPath,
  encoderPath,
  threads,
  onFault,
}: {
  dataDir: string
  modelPath: string | null
  encoderPath?: string | null
  threads?: number
  onFault: OnChildFault
}): Promise<EngineProcess> =>
  startEngineProcess({
    name: 'onnx',
    entry: moduleBeside(import.meta.url, 'process'),
    dataDir,
    onFault,
    env: {
      ...(modelPath === null ? {} : { ONNX_MODEL_PATH: modelPath }),
      ...(encoderPath == null ? {} : { ONNX_ENCODER_PATH: encoderPath }),
      ...(threads === undefined ? {} : { ONNX_THREADS: String(threads) }),
    },
  })
