import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeRandomModel } from '../kit/model/random-model.ts'
import type { EngineProcess } from '../../adapters/host/start-process.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { loadBuilt } from '../kit/process/built.ts'
import type { JobObject } from '../../src/openai/fine-tuning.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

type Onnx = typeof import('../../adapters/onnx/index.ts')
const { startOnnxEngine } = await loadBuilt<Onnx>('adapters/onnx/index.ts')

const root = sharedFolder()
const modelPath = join(root, 'tiny')
let engine: EngineProcess
let client: OpenAI

beforeAll(async () => {
  writeRandomModel(modelPath, { seed: 9 })
  engine = await startOnnxEngine({
    onFault: () => {},
    dataDir: join(root, 'data'),
    modelPath,
    threads: 1,
  })
  client = new OpenAI({ baseURL: engine.baseUrl, apiKey: engine.token, maxRetries: 20 })
}, 60_000)
afterAll(() => engine.close())

/** Calls fail while the engine's process is started again. */
const waitForEnd = async (contract: Engine, id: string): Promise<JobObject> => {
  for (;;) {
    const job = await contract.getJob(id).catch(() => null)
    if (job && job.status !== 'queued' && job.status !== 'running') return job
    await delay(100)
  }
}

describe('the engine’s process', () => {
  it('serves the base model', async () => {
    const answer = await client.chat.completions.create({
      model: 'tiny',
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: 4,
      logprobs: true,
    })
    expect(answer.usage?.completion_tokens).toBeLessThanOrEqual(4)
    expect(answer.choices[0]!.logprobs!.content!.length).toBeGreaterThan(0)
  })

  it('is started again on the same address when it is killed, and goes on with its job', async () => {
    const { baseUrl, token } = engine
    const contract = createEngine({ name: 'onnx', baseUrl, token, fetch, timeoutMs: 5_000 })
    const messages = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'hello, 世界' },
    ]
    const { id } = await contract.createJob({
      model: 'tiny',
      training_file: await contract.uploadRows([{ messages }], 'rows.jsonl'),
      hyperparameters: { rank: 8, learning_rate: 1e-2, max_steps: 150 },
    })
    while (!(await contract.jobEvents(id)).some(({ type }) => type === 'metrics')) await delay(20)
    const killed = engine.pid()!
    process.kill(killed, 'SIGKILL')
    const job = await waitForEnd(contract, id)
    expect(engine.pid()).not.toBe(killed)
    expect(job).toMatchObject({ status: 'succeeded', result_metrics: { steps: 150 } })
    const answer = await contract.complete({
      model: job.fine_tuned_model!,
      messages: messages.slice(0, 1),
    })
    expect(answer.choices[0]!.message.content).toBe('hello, 世界')
  })

  it('reports why a model cannot be loaded', async () => {
    const starting = startOnnxEngine({
      onFault: () => {},
      dataDir: join(root, 'data'),
      modelPath: join(root, 'none'),
    })
    await expect(starting).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining('no model at') as string,
    })
  })
})
