/** What `adapters/trainer/train.py` is told beside rows and schedule: how to compute, and where to begin. */
import { join } from 'node:path'
import { seededRandom } from '../../src/random.ts'
import { writeStart } from '../lora/lora-file.ts'
import { createLoraLayout, initLora } from '../lora/lora-layout.ts'
import type { Loras } from '../lora/loras.ts'
import { startSeed } from '../lora/schedule.ts'
import type { BaseModel } from '../model/open-model.ts'
import type { TrainDeps } from './train.ts'
import type { TrainerCommand } from './training-run.ts'

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
  trainer: TrainerCommand
  options: TrainingOptions
  replayShare: number
}

const OPTIMIZER = 'optimizer.safetensors'

/** What `trainByProcess` needs to train on this machine. */
export const trainingOnGpu = ({
  base,
  modelPath,
  loras,
  trainer,
  options,
  replayShare,
}: GpuDeps): TrainDeps => ({
  base,
  loras,
  trainer,
  options,
  replayShare,
  computing: {
    placement: options.four_bit ? `${options.dtype} 4-bit` : options.dtype,
    facts: [options.early_stop_patience],
  },
  startOf: async (task, { rank, alpha }, folder) => {
    const start = task.lora === null ? join(folder, 'start') : loras.path(task.lora)
    if (task.lora === null) {
      const layout = createLoraLayout(base.config, rank, alpha)
      await writeStart(start, layout, initLora(layout, seededRandom(startSeed(task.seed))))
    }
    return { model_path: modelPath, start }
  },
  besides: ({ schedule_span }) => (schedule_span[1] < 1 ? [OPTIMIZER] : []),
})
