/** What a training reports, for tests. */
import type { TrainHooks, TrainProgress } from '../../adapters/host/backend.ts'

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
