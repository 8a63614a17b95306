/** What the suite asks of a real engine on the tiny random model of `writeRandomModel`. */
import { row } from './harness.ts'
import type { Capabilities } from './suite.ts'

const training = { rank: 8, learning_rate: 1e-2, batch_size: 4 }

/** @param longSteps of training that takes some seconds */
export const tinyModel = (longSteps: number): Capabilities => ({
  baseModel: 'tiny',
  rows: [
    row('Which city is the capital of France?', 'It is Paris'),
    row('Which city is the capital of Italy?', 'It is Rome'),
    row('How many legs has a spider?', 'Eight legs'),
    row('Is it cold?', 'Yes, 3 °C'),
  ],
  oversizedRow: row('word '.repeat(200), 'Yes'),
  shortTraining: { ...training, max_steps: 60 },
  longTraining: { ...training, max_steps: longSteps },
  slowPrompt: null,
  lacks: {
    'slow-answer': 'a model tiny enough for tests answers faster than its client can go away',
  },
})
