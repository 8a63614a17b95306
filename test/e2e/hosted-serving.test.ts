/** Loras are published to a host and serve by it: against a stand-in for Nebius Token Factory in this process. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EngineBackend } from '../../adapters/host/backend.ts'
import type { HostedPublisher } from '../../adapters/publish/hosted/hosted.ts'
import { PROBE, probeRows } from '../../adapters/publish/probe.ts'
import { openReceipts, type Receipts } from '../../adapters/publish/receipts.ts'
import { HostedStandIn, type HostedFaults } from '../kit/hosted/stand-in.ts'
import { answerOf, requestOf, TinyLoras } from '../kit/vllm/tiny-loras.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const MODEL = 'vendor/tiny-base'
const PRICES = { input: 0.1, output: 0.4, training: 0 }
const HOUR_MS = 3_600_000
/** Loras on the random model that answer in whole characters: a host gives texts, and half a character has none. */
const READABLE = [4, 24, 30, 52, 84, 88, 100, 106, 126, 128, 130, 167, 178]
const MAX_TOKENS = 4
const folder = sharedFolder()

let tiny: TinyLoras
let standIn: HostedStandIn
let receipts: Receipts
let publisher: HostedPublisher
let backend: EngineBackend
let faults: HostedFaults = {}
let now = 1_800_000_000_000
const closing: HostedPublisher[] = []

/** An engine that starts now, over what an earlier one left. */
const start = (): { publisher: HostedPublisher; backend: EngineBackend } => {
  const started = tiny.hostedBy({
    provider: 'Example',
    url: 'http://host',
    key: 'key',
    fetch: standIn.fetch,
    now: () => now,
    model: MODEL,
    prices: PRICES,
    receipts,
    pollMs: 1,
    deletionRetryMs: 5,
  })
  closing.push(started.publisher)
  return started
}

const callsTo = (call: string): number =>
  standIn.calls.filter((made) => made.startsWith(call)).length

const kindsOf = (engine = backend): string[] => engine.state!().conditions.map(({ kind }) => kind)

const modelsOf = (lora: string): string[] =>
  [...standIn.models.keys()].filter((name) => name.includes(lora))

const hold = (): { held: Promise<void>; release: () => void } => {
  const released = new AbortController()
  const held = once(released.signal, 'abort').then(() => undefined)
  return { held, release: () => released.abort() }
}

/** Each a lora that the host has not seen. */
const addReadable = (): Promise<string> => tiny.add(READABLE.shift()!)

const askedOf = (lora: string, extra = {}) => requestOf(lora, { max_tokens: MAX_TOKENS, ...extra })

/** The answer's error code, or its text. */
const outcomeOf = async (lora: string): Promise<string> => {
  try {
    return (await answerOf(backend, askedOf(lora))).text
  } catch (error) {
    return `${(error as { code?: string }).code}`
  }
}

beforeAll(async () => {
  tiny = await TinyLoras.write(folder)
  receipts = await openReceipts(folder)
  standIn = await HostedStandIn.open({
    modelPath: tiny.modelPath,
    model: MODEL,
    key: 'key',
    folder,
    loraFolder: (lora) => tiny.folderOf(lora),
    faults: () => faults,
  })
  ;({ publisher, backend } = start())
})
afterEach(() => {
  faults = {}
  // whatever pause a fault has left
  now += HOUR_MS
  standIn.calls.length = 0
})
afterAll(async () => {
  await Promise.all(closing.map((one) => one.close()))
  await standIn.close()
  tiny.close()
})

describe('serving by a host', () => {
  it('gives the answers and losses of the embedded engine', async () => {
    const loras = [await addReadable(), await addReadable()]
    const embedded = await tiny.embedded()
    const rows = [
      { messages: [...requestOf('').messages, { role: 'assistant', content: 'Home.' }] },
    ]
    for (const lora of loras)
      for (const extra of [{}, { stop: ['\u0000'] }]) {
        const request = askedOf(lora, extra)
        const own = await answerOf(backend, request)
        const expected = await answerOf(embedded, request)
        expect(own.text).toBe(expected.text)
        expect(own.finishReason).toBe(expected.finishReason)
        expect(own.nats.length).toBe(expected.nats.length)
        own.nats.forEach((value, at) => expect(value).toBeCloseTo(expected.nats[at]!, 4))
      }
    for (const name of ['tiny', ...loras]) {
      const [own, expected] = [await backend.loss(name, rows), await embedded.loss(name, rows)]
      expect(own.losses[0]).toBeCloseTo(expected.losses[0]!, 4)
    }
    await embedded.close()
  })

  it('answers with one of the choices, the most probable one that begins like a free answer', async () => {
    const lora = await tiny.add(2)
    const choice = ['card', 'card_arrival', 'transfer']
    const bound = await answerOf(backend, requestOf(lora, { structured_outputs: { choice } }))
    const sums = new Map<string, number>()
    for (const content of choice) {
      const messages = [...requestOf('').messages, { role: 'assistant', content }]
      const { losses, tokens } = await backend.loss(lora, [{ messages }])
      sums.set(content, -losses[0]! * tokens[0]!)
    }
    const best = [...sums].toSorted(([, a], [, b]) => b - a)[0]!
    expect(bound.text).toBe(best[0])
    expect(bound.nats.reduce((sum, value) => sum + value, 0)).toBeCloseTo(best[1], 3)
  })

  it('uploads a lora once, for all requests and for an engine that starts again', async () => {
    const lora = await addReadable()
    await Promise.all([1, 2, 3].map(() => answerOf(backend, askedOf(lora))))
    await answerOf(start().backend, askedOf(lora))
    expect(callsTo('POST /v0/models/upload')).toBe(1)
    expect(callsTo('POST /v0/models')).toBe(2)
  })

  it('says who serves, and at what price', () => {
    expect(backend.state!()).toEqual({
      object: 'engine',
      provider: 'Example',
      prices: PRICES,
      conditions: [],
    })
  })
})

describe('a host that', () => {
  it.each([
    [401, 'key-refused', /ENGINE_HOSTED_KEY/],
    [402, 'unpaid', /billing/],
    [429, 'throttled', /higher limit/],
    [500, 'away', /does not answer/],
  ] as const)('answers %d is shown as %s until it answers again', async (status, kind, message) => {
    const lora = await addReadable()
    faults = { status }
    expect(await outcomeOf(lora)).toBe('engine-unavailable')
    expect(kindsOf()).toEqual([kind])
    expect(backend.state!().conditions[0]!.message).toMatch(message)
    faults = {}
    now += HOUR_MS
    expect(await outcomeOf(lora)).not.toMatch(/^[a-z-]+$/)
    expect(kindsOf()).toEqual([])
  })

  it('answers 429 for an hour is called about once a minute, and no lora is lost', async () => {
    const lora = await addReadable()
    await publisher.publish(lora)
    standIn.calls.length = 0
    faults = { status: 429 }
    // a request a second
    for (let second = 0; second < 3600; second++) {
      now += 1000
      await expect(answerOf(backend, requestOf(lora))).rejects.toMatchObject({
        code: 'engine-unavailable',
      })
    }
    expect(standIn.calls.length).toBeLessThan(75)
    faults = {}
    now += 60_000
    expect(await outcomeOf(lora)).not.toMatch(/^[a-z-]+$/)
    expect(callsTo('POST /v0/models/upload')).toBe(0)
  })

  it('loses a lora and its file gets both again, from the store of the engine', async () => {
    const lora = await addReadable()
    const before = await outcomeOf(lora)
    expect(before).not.toBe('internal')
    standIn.models.clear()
    faults = { lost: [...standIn.files.keys()] }
    expect(await outcomeOf(lora)).toBe('engine-unavailable')
    expect(await outcomeOf(lora)).toBe(before)
    expect(callsTo('POST /v0/models/upload')).toBe(2)
  })

  it('retires the base model in the middle is shown, and the lora stays in the store', async () => {
    const lora = await addReadable()
    await publisher.publish(lora)
    faults = { isRetired: true }
    expect(await outcomeOf(lora)).toBe('engine-unavailable')
    expect(kindsOf()).toEqual(['base-retired'])
    await expect(publisher.publish(await tiny.add(14))).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
    expect(existsSync(tiny.folderOf(lora))).toBe(true)
    faults = {}
    expect(await outcomeOf(lora)).not.toMatch(/^[a-z-]+$/)
    expect(kindsOf()).toEqual([])
  })

  it.each(['other', 'short', 'none'] as const)(
    'gives log-probabilities that are %s is not served',
    async (logprobs) => {
      const lora = await tiny.add(23)
      await publisher.publish(lora)
      faults = { logprobs }
      await expect(answerOf(backend, askedOf(lora))).rejects.toMatchObject({
        code: 'internal',
        message: expect.stringMatching(/not served/),
      })
    }
  )

  it('cuts an answer in the middle of a character is not served, because its tokens have no texts', async () => {
    await expect(answerOf(backend, askedOf(await tiny.add(15)))).rejects.toMatchObject({
      code: 'internal',
    })
  })

  it('scores no given tokens cannot prove a lora, which is not served', async () => {
    faults = { logprobs: 'prompt' }
    await expect(publisher.publish(await tiny.add(16))).rejects.toThrow(/not served/)
  })

  it('loads a lora and does not apply it is not served', async () => {
    const lora = await tiny.add(17)
    faults = { ignoresLoras: true }
    await expect(publisher.publish(lora)).rejects.toThrow(/changes nothing there; not served/)
    // it does not stay there
    expect(modelsOf(lora)).toEqual([])
    faults = {}
    standIn.calls.length = 0
    // no request pays for another try
    await expect(publisher.publish(lora)).rejects.toThrow(/not served/)
    expect(standIn.calls).toEqual([])
    now += HOUR_MS
    await publisher.publish(lora)
  })

  it('computes another lora than was trained is not served', async () => {
    const lora = await tiny.add(18)
    const rows = probeRows(tiny.model.chat)
    const count = rows.reduce((sum, { completionIds }) => sum + completionIds.length, 0)
    const probe = {
      prompt_ids: rows[0]!.promptIds,
      completions: rows.map(({ completionIds }) => completionIds),
      base: Array.from({ length: count }, () => -5),
      lora: Array.from({ length: count }, (_, at) => (at % 2 === 0 ? -1 : -9)),
      placement: 'float32',
    }
    await writeFile(join(tiny.folderOf(lora), PROBE), JSON.stringify(probe))
    await expect(publisher.publish(lora)).rejects.toThrow(/not served/)
  })

  it('refuses a lora says why, and does not keep it: a later try uploads it again', async () => {
    const lora = await tiny.add(19)
    const before = standIn.files.size
    faults = { validation: 'error' }
    await expect(publisher.publish(lora)).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringMatching(/the rank is too high/),
    })
    expect(modelsOf(lora)).toEqual([])
    expect(standIn.files.size).toBe(before)
    faults = {}
    now += HOUR_MS
    await publisher.publish(lora)
    expect(modelsOf(lora)).toHaveLength(1)
  })

  it('answers by the base model what was asked of a lora is not served', async () => {
    const lora = await tiny.add(25)
    await publisher.publish(lora)
    faults = { namesBase: true }
    await expect(answerOf(backend, askedOf(lora))).rejects.toThrow(/not served/)
  })

  it('names the key in an error does not get it into messages', async () => {
    const lora = await tiny.add(26)
    faults = { status: 401, saysKey: true }
    await expect(answerOf(backend, askedOf(lora))).rejects.toThrow(/It said: .*no \[key\]$/)
    expect(JSON.stringify(backend.state!())).not.toContain('no key')
  })

  it('sends an answer without an end is not listened to', async () => {
    const lora = await tiny.add(27)
    await publisher.publish(lora)
    faults = { isEndless: true }
    await expect(answerOf(backend, askedOf(lora))).rejects.toThrow(/more than \d+ bytes/)
  })

  it('keeps a file after its deletion is told again, also by the next engine, until it is gone', async () => {
    const lora = await tiny.add(20)
    await publisher.publish(lora)
    faults = { keeps: true }
    await backend.deleteModel(lora)
    expect(existsSync(tiny.folderOf(lora))).toBe(false)
    expect(kindsOf()).toEqual(['not-deleted'])
    const mine = async () => (await backend.receipts!()).slice(-2)
    expect((await mine()).map(({ object }) => object)).toEqual([
      expect.stringContaining(lora),
      expect.stringMatching(/^\/v1\/files\/file-/),
    ])
    expect((await mine()).map(({ confirmed_at }) => confirmed_at)).toEqual([null, null])
    const next = start().backend
    await vi.waitUntil(() => kindsOf(next).includes('not-deleted'))
    faults = {}
    await vi.waitUntil(() => kindsOf(next).length === 0 && kindsOf().length === 0)
    expect((await mine()).map(({ confirmed_at }) => confirmed_at)).not.toContain(null)
    expect(standIn.files.size).toBeGreaterThan(0)
    expect([...standIn.models.keys()].filter((name) => name.includes(lora))).toEqual([])
  })

  it('takes long to upload a lora that is deleted meanwhile does not keep it', async () => {
    const lora = await tiny.add(22)
    const { held, release } = hold()
    const before = standIn.files.size
    faults = { held }
    const published = publisher.publish(lora)
    published.catch(() => undefined)
    await vi.waitUntil(() => standIn.files.size > before)
    const deleted = backend.deleteModel(lora)
    faults = {}
    release()
    await deleted
    await expect(published).rejects.toThrow()
    expect(standIn.files.size).toBe(before)
    expect(modelsOf(lora)).toEqual([])
    expect((await backend.receipts!()).every((one) => one.confirmed_at !== null)).toBe(true)
  })

  it('is asked for a lora that is being deleted gets it no second time', async () => {
    const lora = await tiny.add(28)
    await publisher.publish(lora)
    standIn.calls.length = 0
    const { held, release } = hold()
    faults = { held }
    const deleted = backend.deleteModel(lora)
    await vi.waitUntil(() => callsTo('DELETE /v0/models') > 0)
    await expect(answerOf(backend, askedOf(lora))).rejects.toMatchObject({ code: 'not-found' })
    await expect(backend.deleteModel(lora)).rejects.toMatchObject({ code: 'conflict' })
    release()
    await deleted
    expect(callsTo('POST /v0/models/upload')).toBe(0)
    expect(modelsOf(lora)).toEqual([])
  })

  it('has lost one lora does not get another twice that is being uploaded', async () => {
    const [lost, other] = [await tiny.add(29), await tiny.add(31)]
    await publisher.publish(lost)
    standIn.calls.length = 0
    const { held, release } = hold()
    faults = { held }
    const published = publisher.publish(other)
    await vi.waitUntil(() => callsTo('POST /v0/models/upload') === 1)
    for (const name of modelsOf(lost)) standIn.models.delete(name)
    expect(await outcomeOf(lost)).toBe('engine-unavailable')
    const again = publisher.publish(other)
    release()
    await Promise.all([published, again])
    expect(callsTo('POST /v0/models/upload')).toBe(1)
  })

  it('never got a lora is told nothing when it is deleted', async () => {
    const lora = await tiny.add(21)
    await backend.deleteModel(lora)
    expect(standIn.calls).toEqual([])
  })
})
