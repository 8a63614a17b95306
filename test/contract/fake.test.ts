import { createFakeBackend } from '../../adapters/fake/backend.ts'
import { listen, openEngineHost } from '../../adapters/contract/host.ts'
import { row } from './harness.ts'
import { type RunningEngine, describeContract } from './suite.ts'

const TOKEN = 'contract-token'
const SLOW_ANSWER = Array.from({ length: 400 }, (_, index) => `word${index}`).join(' ')

const startFake = async (dataDir: string): Promise<RunningEngine> => {
  const backend = await createFakeBackend({ dataDir, faults: { stepMs: 2, tokenMs: 4 } })
  const host = await openEngineHost({ backend, dataDir, token: TOKEN, log: () => undefined })
  const server = await listen(host.app)
  return {
    baseUrl: `http://127.0.0.1:${server.port}/v1`,
    token: TOKEN,
    async close() {
      await server.close()
      await host.close()
    },
  }
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
})
