import { createFakeBackend } from '../../adapters/fake/backend.ts'
import { row, serveEngine } from './harness.ts'
import { describeLabelHeads } from './label-head-suite.ts'
import type { RunningEngine } from './driver.ts'
import { describeContract } from './suite.ts'

const SLOW_ANSWER = Array.from({ length: 400 }, (_, index) => `word${index}`).join(' ')

const startFake = async (dataDir: string): Promise<RunningEngine> => {
  const backend = await createFakeBackend({ dataDir, faults: { stepMs: 2, tokenMs: 4 } })
  return serveEngine(backend, dataDir)
}

describeContract('fake', startFake, {
  baseModel: 'fake-base',
  rows: [
    row('Which city is the capital of France?', 'It is Paris of course'),
    row('Which city is the capital of Italy?', 'It is Rome of course'),
    row('How many legs has a spider?', 'Eight legs'),
    row('Tell me a long story', SLOW_ANSWER),
  ],
  oversizedRow: row('word '.repeat(3000), 'Yes'),
  shortTraining: { max_steps: 5 },
  longTraining: { max_steps: 400 },
  slowPrompt: [{ role: 'user', content: 'Tell me a long story' }],
  lacks: { 'bound-calls': 'it says what it has read and generates nothing' },
})

const startWithEncoder = async (dataDir: string): Promise<RunningEngine> =>
  serveEngine(await createFakeBackend({ dataDir, encoder: true }), dataDir)

describeLabelHeads('fake', startWithEncoder, {
  encoder: 'fake-encoder',
  baseModel: 'fake-base',
  maxTokens: 256,
})
