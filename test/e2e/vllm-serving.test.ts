/** Loras are published to vLLM and serve by it: against a stand-in in this process. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { PROBE, probeRows } from '../../adapters/gpu/probe.ts'
import type { EngineBackend } from '../../adapters/host/backend.ts'
import type { VllmPublisher } from '../../adapters/gpu/vllm/vllm.ts'
import { AppError } from '../../src/errors.ts'
import { createStandIn } from '../kit/vllm/stand-in.ts'
import { answerOf, answerWhileLorasLoad, requestOf, TinyLoras } from '../kit/vllm/tiny-loras.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

let tiny: TinyLoras
let standIn: Awaited<ReturnType<typeof createStandIn>>
let publisher: VllmPublisher
let backend: EngineBackend
/** what the stand-in does wrong, and what it was told */
let faults: Record<string, unknown> = {}
const calls: string[] = []
let starts = 1
let isRunning = true

beforeAll(async () => {
  tiny = await TinyLoras.write(folder)
  const { modelPath, model } = tiny
  standIn = await createStandIn({
    modelPath,
    servedName: 'tiny',
    apiKey: 'key',
    maxModelLen: model.config.maxPositions,
    maxLoraRank: 8,
    maxBatchLoras: 2,
    resolverFolder: null,
    fingerprint: 'vllm-0.33.0-0000',
    skipsNames: false,
    fault: (name) => faults[name],
    note: (call) => void calls.push(call),
    tokenMs: 0,
    die: () => undefined,
  })
  const served = tiny.servedBy({
    baseUrl: 'http://vllm',
    apiKey: 'key',
    fetch: async (url, init) => standIn.app.request(String(url), init),
    replicas: [],
    incarnation: () => starts,
    requireRunning() {
      if (!isRunning) throw new AppError('engine-unavailable', 'vLLM is started again')
    },
    waitRunning: async () => undefined,
    close: async () => undefined,
  })
  publisher = served.publisher
  backend = served.backend
})
afterEach(() => {
  faults = {}
  calls.length = 0
  isRunning = true
})
afterAll(async () => {
  await standIn.close()
  tiny.close()
})

describe('serving by vLLM', () => {
  it('gives the answers and losses of the embedded engine', async () => {
    const lora = await tiny.add(1)
    const embedded = await tiny.embedded()
    const rows = [
      { messages: [...requestOf('').messages, { role: 'assistant', content: 'Home.' }] },
    ]
    for (const name of ['tiny', lora]) {
      for (const extra of [{}, { stop: ['e'] }, { temperature: 1, seed: 3 }]) {
        const request = requestOf(name, extra)
        const [own, expected] = [
          await answerOf(backend, request),
          await answerOf(embedded, request),
        ]
        expect(own.text).toBe(expected.text)
        expect(own.finishReason).toBe(expected.finishReason)
        own.nats.forEach((value, at) => expect(value).toBeCloseTo(expected.nats[at]!, 4))
      }
      const [own, expected] = [await backend.loss(name, rows), await embedded.loss(name, rows)]
      expect(own.losses[0]).toBeCloseTo(expected.losses[0]!, 4)
    }
    await embedded.close()
  })

  it('loads a lora once, for all requests at a time', async () => {
    const lora = await tiny.add(2)
    await Promise.all([1, 2, 3].map(() => answerOf(backend, requestOf(lora))))
    expect(calls).toEqual([`load ${lora}`])
    await backend.deleteModel(lora)
    expect(calls).toEqual([`load ${lora}`, `unload ${lora}`])
  })

  it('loads and proves again after vLLM was started again, or has forgotten the lora', async () => {
    const lora = await tiny.add(3)
    await answerOf(backend, requestOf(lora))
    starts++
    // the same server knows the name already: it must not be served by what was there
    await answerOf(backend, requestOf(lora))
    expect(calls).toEqual([`load ${lora}`, `load ${lora}`, `unload ${lora}`, `load ${lora}`])
    await standIn.app.request('http://vllm/v1/unload_lora_adapter', {
      method: 'POST',
      headers: { authorization: 'Bearer key' },
      body: JSON.stringify({ lora_name: lora }),
    })
    await expect(answerOf(backend, requestOf(lora))).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
    expect((await answerOf(backend, requestOf(lora))).text).not.toBe('')
  })

  it('does not serve a lora that is loaded and not applied', async () => {
    const lora = await tiny.add(4)
    faults = { load: 'ignore' }
    await expect(publisher.publish(lora)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/it changes nothing there; not served/),
    })
    expect(calls.at(-1)).toBe(`unload ${lora}`)
    faults = {}
    await publisher.publish(lora)
    // one that was never trained changes nothing, and should not
    faults = { load: 'ignore' }
    await publisher.publish(await tiny.add(5, 0))
  })

  it('does not serve a lora that is not what training computed', async () => {
    const [lora, other] = [await tiny.add(6), await tiny.add(7)]
    const rows = probeRows(tiny.model.chat).map(({ promptIds, completionIds }) => ({
      promptIds,
      completionIds,
    }))
    const nats = async (name: string): Promise<number[]> => {
      const all: number[] = []
      for (const { promptIds, completionIds } of rows) {
        const response = await standIn.app.request('http://vllm/v1/completions', {
          method: 'POST',
          headers: { authorization: 'Bearer key' },
          body: JSON.stringify({
            model: name,
            prompt: [...promptIds, ...completionIds.slice(0, -1)],
            max_tokens: 1,
            allowed_token_ids: completionIds.slice(-1),
            prompt_logprobs: 0,
          }),
        })
        const { choices } = (await response.json()) as {
          choices: [
            {
              prompt_logprobs: (Record<string, { logprob: number }> | null)[]
              logprobs: { token_logprobs: number[] }
            },
          ]
        }
        const given = choices[0].prompt_logprobs.slice(promptIds.length)
        all.push(...given.map((entry) => Object.values(entry!)[0]!.logprob))
        all.push(choices[0].logprobs.token_logprobs[0]!)
      }
      return all
    }
    await publisher.publish(lora)
    const probe = {
      prompt_ids: rows[0]!.promptIds,
      completions: rows.map(({ completionIds }) => completionIds),
      base: await nats('tiny'),
      lora: await nats(lora),
      placement: 'float32',
    }
    for (const id of [lora, other])
      await writeFile(join(tiny.folderOf(id), PROBE), JSON.stringify(probe))
    starts++
    await publisher.publish(lora)
    await expect(publisher.publish(other)).rejects.toThrow(/nats there and by .* in training/)
    // the proof of a lora without a probe would let it pass
    await writeFile(join(tiny.folderOf(other), PROBE), JSON.stringify(probe).slice(0, 100))
    starts++
    await expect(publisher.publish(other)).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringMatching(/probe\.json is damaged/),
    })
  })

  it.each([
    ['fail', 'internal', /cannot be loaded.*no room for it/],
    ['ending', 'engine-unavailable', /EngineCore/],
  ])('says why a lora cannot be loaded: %s', async (load, code, message) => {
    const lora = await tiny.add(8)
    faults = { load }
    await expect(answerOf(backend, requestOf(lora))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
    faults = {}
    expect((await answerOf(backend, requestOf(lora))).text).not.toBe('')
    starts++
  })

  it('refuses at once while vLLM is started again', async () => {
    isRunning = false
    await expect(answerOf(backend, requestOf('tiny'))).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
  })

  it('refuses a prompt that leaves no room for an answer', async () => {
    const messages = [{ role: 'user', content: 'word '.repeat(600) }]
    await expect(answerOf(backend, requestOf('tiny', { messages }))).rejects.toMatchObject({
      code: 'context-length-exceeded',
    })
  })

  it.each(['right', 'stale'])(
    'leaves answers alone while other loras are loaded (places: %s)',
    async (slots) => {
      faults = { slots }
      const loras = [await tiny.add(11), await tiny.add(12), await tiny.add(13)] as const
      // vllm-project/vllm issue 47724: another lora's words, no error, no line in a log
      expect(await answerWhileLorasLoad(backend, loras)).toBe(slots === 'right')
    }
  )
})
