import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startOnnxEngine } from '../../adapters/onnx/index.ts'
import { writeRandomModel } from '../../adapters/onnx/model/random-model.ts'
import type { EngineProcess } from '../../adapters/contract/start-process.ts'

const root = mkdtempSync(join(tmpdir(), 'onnx-process-'))
const modelPath = join(root, 'tiny')
let engine: EngineProcess
let client: OpenAI

beforeAll(async () => {
  writeRandomModel(modelPath, { seed: 9 })
  engine = await startOnnxEngine({ dataDir: join(root, 'data'), modelPath, threads: 1 })
  client = new OpenAI({ baseURL: engine.baseUrl, apiKey: engine.token, maxRetries: 20 })
}, 60_000)
afterAll(async () => {
  await engine.close()
  rmSync(root, { recursive: true })
})

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

  it('is started again on the same address when it is killed', async () => {
    const killed = engine.pid()!
    process.kill(killed, 'SIGKILL')
    await delay(100)
    const models = await client.models.list()
    expect(models.data.map(({ id }) => id)).toEqual(['tiny'])
    expect(engine.pid()).not.toBe(killed)
  }, 60_000)

  it('says what is wrong with a model that cannot be loaded', async () => {
    const starting = startOnnxEngine({ dataDir: join(root, 'data'), modelPath: join(root, 'none') })
    await expect(starting).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining('no model at') as string,
    })
  })
})
