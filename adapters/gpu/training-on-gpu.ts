/** What `adapters/trainer/train.py` is told beside rows and schedule: how to compute, and where to begin. */
import { join } from 'node:path'
import { seededRandom } from '../../src/random.ts'
import type { LoraTask } from '../lora/lora-backend.ts'
import { writeStart } from '../lora/lora-file.ts'
import { createLoraLayout, initLora } from '../lora/lora-layout.ts'
import type { Launcher } from '../launch/launcher.ts'
import type { Loras } from '../lora/loras.ts'
import { startSeed } from '../lora/schedule.ts'
import type { BaseModel } from '../model/open-model.ts'
import type { TrainDeps } from './train.ts'

/** How training computes; the trainer's task has the same names. */
export interface TrainingOptions {
  device: string
  dtype: 'float32' | 'bfloat16'
  four_bit: boolean
  /** null: as soon as memory is too small */
  gradient_checkpointing: boolean | null
  /** null: flex on a GPU where it works */
  attention: 'sdpa' | 'flex' | null
  /** tokens of one forward and backward pass */
  max_tokens: number
  checkpoint_seconds: number
  early_stop_patience: number
  /** of the CPU; null is torch's choice */
  threads: number | null
  /** of the GPU's memory */
  memory_share: number
}

interface GpuDeps {
  base: BaseModel
  modelPath: string
  loras: Loras
  launcher: Launcher
  options: TrainingOptions
  replayShare: number
}

const OPTIMIZER = 'optimizer.safetensors'

const startFolder = ({ checkpointDir }: LoraTask): string => join(checkpointDir, 'start')

/** What `trainByProcess` needs to train with `adapters/trainer`, wherever it is launched. */
export const trainingOnGpu = ({
  base,
  modelPath,
  loras,
  launcher,
  options,
  replayShare,
}: GpuDeps): TrainDeps => ({
  base,
  loras,
  launcher,
  options,
  replayShare,
  computing: {
    placement: options.four_bit ? `${options.dtype} 4-bit` : options.dtype,
    facts: [options.early_stop_patience],
  },
  startOf: (task) => ({
    model_path: launcher.seenAs(modelPath),
    start: launcher.seenAs(task.lora === null ? startFolder(task) : loras.path(task.lora)),
  }),
  writeStart: async (task, { rank, alpha }) => {
    if (task.lora !== null) return
    const layout = createLoraLayout(base.config, rank, alpha)
    await writeStart(
      startFolder(task),
      layout,
      initLora(layout, seededRandom(startSeed(task.seed)))
    )
  },
  besides: ({ schedule_span }) => (schedule_span[1] < 1 ? [OPTIMIZER] : []),
})
