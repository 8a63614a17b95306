import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { listen, openEngineHost } from '../../adapters/contract/host.ts'
import { createOnnxBackend } from '../../adapters/onnx/backend.ts'
import { writeRandomModel } from '../../adapters/onnx/model/random-model.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { describeContract, type RunningEngine } from './suite.ts'

const modelFolder = mkdtempSync(join(tmpdir(), 'contract-onnx-'))
const modelPath = join(modelFolder, 'tiny')
writeRandomModel(modelPath, { seed: 11 })
afterAll(() => rmSync(modelFolder, { recursive: true }))

const TOKEN = 'contract-token'

const log = (): void => undefined

const startOnnx = async (dataDir: string): Promise<RunningEngine> => {
  const backend = await createOnnxBackend({
    modelPath,
    dataDir,
    threads: 1,
    precision: 'q4',
    checkpointSeconds: 0.5,
    log,
  })
  const host = await openEngineHost({ backend, dataDir, token: TOKEN, log })
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

const row = (query: string, answer: string): TrainingRow => ({
  messages: [
    { role: 'user', content: query },
    { role: 'assistant', content: answer },
  ],
})

const training = { rank: 8, learning_rate: 1e-2, batch_size: 4 }

describeContract('onnx', startOnnx, {
  baseModel: 'tiny',
  rows: [
    row('Which city is the capital of France?', 'It is Paris'),
    row('Which city is the capital of Italy?', 'It is Rome'),
    row('How many legs has a spider?', 'Eight legs'),
    row('Is it cold?', 'Yes, 3 °C'),
  ],
  oversizedRow: row('word '.repeat(200), 'Yes'),
  shortTraining: { ...training, max_steps: 60 },
  longTraining: { ...training, max_steps: 200 },
  slowPrompt: null,
  lacks: {
    'slow-answer': 'a model tiny enough for tests answers faster than its client can go away',
  },
})
