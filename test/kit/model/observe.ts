/** Inputs for a training by an engine's backend, and hooks that collect its reports. */
import type { TrainHooks, TrainInput, TrainProgress } from '../../../adapters/host/backend.ts'

export interface Observed extends TrainHooks {
  progress: TrainProgress[]
  messages: string[]
}

export const observe = (signal = new AbortController().signal): Observed => {
  const progress: TrainProgress[] = []
  const messages: string[] = []
  return {
    progress,
    messages,
    onProgress: (update) => progress.push(update),
    onMessage: (_, message) => messages.push(message),
    signal,
  }
}

export const trainInput = (
  given: Pick<TrainInput, 'model' | 'rows' | 'method' | 'checkpointDir'> & Partial<TrainInput>
): TrainInput => ({
  validationRows: [],
  hyperparameters: {},
  seed: 1,
  suffix: null,
  metadata: {},
  ...given,
})
