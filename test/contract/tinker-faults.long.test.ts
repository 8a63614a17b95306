/**
 * What goes wrong at a provider, over a stand-in for its SDK: refusals, losses, a base that is retired,
 * answers of another form, files that stay. Skipped without a Python with numpy.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { EngineBackend, TrainInput } from '../../adapters/host/backend.ts'
import { createTinkerBackend } from '../../adapters/tinker/backend.ts'
import { openReceipts } from '../../adapters/publish/receipts.ts'
import type { EngineConditionKind } from '../../src/openai/engine-state.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { observe, trainInput } from '../kit/model/observe.ts'
import { FakeProvider, missingForTinker } from '../kit/tinker/fake-provider.ts'
import { row, until } from './harness.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const missing = missingForTinker()
const title = `an engine at a provider${missing === null ? '' : ` (${missing})`}`

describe.skipIf(missing !== null)(title, () => {
  const folder = sharedFolder()
  const modelPath = join(folder, 'tiny')
  const dataDir = join(folder, 'data')
  const provider = new FakeProvider(join(folder, 'provider'), modelPath)
  let backend: EngineBackend
  let jobs = 0

  const rows = [row('Which city is it?', 'It is Rome'), row('How many legs?', 'Eight')]

  const train = (
    steps: number,
    extra: Partial<TrainInput> = {},
    signal = new AbortController().signal
  ) => {
    const seen = observe(signal)
    const result = backend.train(
      trainInput({
        model: 'tiny',
        rows,
        method: 'supervised',
        hyperparameters: { rank: 4, learning_rate: 3e-2, batch_size: 2, max_steps: steps },
        seed: ++jobs,
        checkpointDir: join(folder, `job-${jobs}`),
        ...extra,
      }),
      seen
    )
    // a failure is expected where the test awaits it
    result.catch(() => undefined)
    return { result, steps: () => seen.progress.map(({ step }) => step), messages: seen.messages }
  }

  const answer = async (model: string, extra: object = {}): Promise<string> => {
    const messages = rows[0]!.messages.slice(0, 1)
    const request = { model, messages, max_tokens: 12, ...extra }
    let text = ''
    for await (const delta of backend.complete(request, new AbortController().signal))
      text += delta.text
    return text
  }

  const conditions = (): EngineConditionKind[] =>
    backend.state!().conditions.map(({ kind }) => kind)

  const holds = (kind: EngineConditionKind) => until(conditions, (kinds) => kinds.includes(kind))

  const open = async (): Promise<void> => {
    const deps = provider.backendDeps(dataDir)
    backend = await createTinkerBackend({ ...deps, checkpointSeconds: 0.2, deletionPauseMs: 100 })
  }

  const reopen = async (): Promise<void> => {
    await backend.close()
    await open()
  }

  const stopAfter = async (
    steps: number,
    job: ReturnType<typeof train>,
    abort: AbortController
  ): Promise<void> => {
    await until(
      () => job.steps().length,
      (count) => count >= steps
    )
    abort.abort(new Error('stopped'))
    await expect(job.result).rejects.toThrow('stopped')
  }

  /** Where a lora lies at the provider. */
  const recordOf = (model: string) =>
    JSON.parse(readFileSync(join(dataDir, 'loras', model, 'tinker.json'), 'utf8')) as {
      weights: string
      state: string
    }

  let lora: string
  beforeAll(async () => {
    writeRandomModel(modelPath, { seed: 11 })
    // the provider has them
    rmSync(join(modelPath, 'model.safetensors'))
    await open()
    lora = (await train(40).result).model
  })
  afterEach(() => provider.fail({}))
  afterAll(() => backend.close())

  it('keeps a PEFT folder in float32, and says who computes at what price', async () => {
    const path = join(dataDir, 'loras', lora)
    const files = ['adapter_config.json', 'adapter_model.safetensors', 'tinker.json']
    expect(readdirSync(path)).toEqual(expect.arrayContaining(files))
    expect(readFileSync(join(path, 'adapter_model.safetensors'), 'latin1')).toContain('"F32"')
    expect(backend.state!()).toMatchObject({ provider: 'a stand-in', conditions: [] })
    expect(await answer(lora)).toBe('It is Rome')
  })

  it('sends the learning rate of each step, and keeps what a running job needs for a week', () => {
    const rates = provider.calls('optim_step').map(({ rate }) => rate!)
    expect(Math.max(...rates)).toBeLessThanOrEqual(3e-2)
    expect(rates.at(-1)).toBeLessThan(rates[20]!)
    const kept = provider.calls('save_weights_for_sampler').at(-1)!
    expect(kept.ttl).toBe(7 * 86_400)
    // published, it stays until it is deleted
    const lifted = provider.calls('ttl').map(({ path, ttl }) => [path, ttl])
    expect(lifted).toContainEqual([kept.path, null])
  })

  it('goes on with the optimizer of the stage before', async () => {
    const first = await train(4, {
      hyperparameters: { rank: 4, max_steps: 4, schedule_span: [0, 0.5] },
    }).result
    await train(4, {
      model: first.model,
      hyperparameters: { max_steps: 4, schedule_span: [0.5, 1] },
    }).result
    expect(provider.calls('load_weights').at(-1)).toMatchObject({ optimizer: true })
  })

  it('trains nothing twice but the steps since the last checkpoint, when it is stopped', async () => {
    provider.fail({ step_seconds: 0.05 })
    const before = provider.calls('optim_step').length
    const abort = new AbortController()
    const input = { seed: 1000, checkpointDir: join(folder, 'stopped') }
    const stopped = train(30, input, abort.signal)
    await stopAfter(8, stopped, abort)
    const resumed = train(30, input)
    await resumed.result
    expect(resumed.messages.join()).toContain('resumed from the checkpoint at step')
    expect(resumed.steps()[0]).toBeGreaterThan(8)
    expect(provider.calls('optim_step').length - before).toBe(30)
  })

  it('makes the lora that it would have made when its process is killed four times', async () => {
    const of = { seed: 3000 }
    const whole = await train(40, { ...of, checkpointDir: join(folder, 'whole') }).result
    const before = provider.calls('optim_step').length
    provider.fail({ step_seconds: 0.05, die_at: 9, deaths: 4 })
    const killed = train(40, { ...of, checkpointDir: join(folder, 'killed') })
    expect((await killed.result).model).toBe(whole.model)
    expect(killed.messages.filter((message) => message.includes('died'))).toHaveLength(4)
    // beside the 40 only what was computed since the checkpoint before each death
    expect(provider.calls('optim_step').length - before).toBeLessThanOrEqual(40 + 4 * 8)
    const states = provider.calls('save_weights').map(({ ttl }) => ttl)
    expect(states.every((ttl) => ttl === 7 * 86_400)).toBe(true)
  })

  it('waits while the provider answers 429, says so, and makes few calls', async () => {
    provider.fail({ status: { forward_backward: 429 } })
    const job = train(4)
    await holds('throttled')
    await sleep(3000)
    const refused = provider.calls('forward_backward').filter(({ status }) => status === 429)
    expect(refused.length).toBeLessThan(6)
    expect(job.messages.join()).toContain('throttled')
    provider.fail({})
    await job.result
    await until(conditions, (kinds) => kinds.length === 0)
  })

  it.each([
    ['key-refused', 401],
    ['unpaid', 402],
    ['away', 503],
  ] as const)('says %s when the provider answers %d, and goes on later', async (kind, status) => {
    provider.fail({ status: { optim_step: status } })
    const job = train(2)
    await holds(kind)
    provider.fail({})
    await job.result
  })

  it('refuses requests at once while the provider throttles, and answers again afterwards', async () => {
    provider.fail({ status: { asample: 429 } })
    await expect(answer(lora)).rejects.toMatchObject({ code: 'overloaded' })
    expect(conditions()).toContain('throttled')
    const asked = provider.calls('asample').length
    await expect(answer(lora)).rejects.toMatchObject({ code: 'overloaded' })
    expect(provider.calls('asample')).toHaveLength(asked)
    provider.fail({})
    await until(
      () => answer(lora).catch(() => ''),
      (text) => text === 'It is Rome'
    )
    expect(conditions()).toEqual([])
  })

  it('gives an answer up when its client is gone', async () => {
    provider.fail({ sample_seconds: 30 })
    const abort = new AbortController()
    const messages = rows[0]!.messages.slice(0, 1)
    const asked = backend.complete({ model: lora, messages }, abort.signal).next()
    asked.catch(() => undefined)
    await expect(backend.deleteModel(lora)).rejects.toMatchObject({ code: 'conflict' })
    abort.abort()
    await expect(asked).rejects.toMatchObject({ code: 'client-closed' })
  })

  it('starts a client that died again, and fails what waited for it', async () => {
    provider.fail({ dies: 'asample' })
    await expect(answer(lora)).rejects.toMatchObject({ code: 'engine-unavailable' })
    expect(conditions()).toContain('away')
    provider.fail({})
    await until(
      () => answer(lora).catch(() => ''),
      (text) => text === 'It is Rome'
    )
    expect(conditions()).toEqual([])
  })

  it('begins again when the provider has lost a job, and ends when it has lost the parent', async () => {
    provider.fail({ step_seconds: 0.05 })
    const abort = new AbortController()
    const input = { seed: 2000, checkpointDir: join(folder, 'lost') }
    const stopped = train(20, input, abort.signal)
    await stopAfter(5, stopped, abort)
    rmSync(join(provider.folder, 'kept'), { recursive: true })
    const again = train(20, input)
    await again.result
    expect(again.messages.join()).toContain("lost the job's checkpoint")
    await expect(train(2, { model: lora }).result).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining('train from the base model'),
    })
    lora = (await train(40).result).model
  })

  it('ends a job whose base is retired, and says it', async () => {
    provider.fail({ retired: true })
    await expect(train(2).result).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining('no base model base/tiny'),
    })
  })

  it.each([
    ['a gradient of other tokens', { count: 'short' }, 'log-probabilities for'],
    ['weights that are not applied', { apply: 'ignore' }, 'it changes nothing there'],
    ['samples of another model', { logprobs: 'other' }, 'differ from its scores'],
    ['too few log-probabilities of a sample', { logprobs: 'short' }, 'log-probabilities for'],
    [
      'too few log-probabilities of a prompt',
      { logprobs: 'short scores' },
      'log-probabilities for',
    ],
  ])('serves no lora after %s', async (_, fault, message) => {
    provider.fail(fault)
    const known = backend.models().length
    await expect(train(6).result).rejects.toThrow(message)
    expect(backend.models()).toHaveLength(known)
  })

  it('proves a lora that it refused no second time for each request, which would pay again', async () => {
    await reopen()
    provider.fail({ logprobs: 'other' })
    await expect(answer(lora)).rejects.toThrow(/not served/)
    const asked = provider.calls('asample').length
    await expect(answer(lora)).rejects.toThrow(/not served/)
    expect(provider.calls('asample')).toHaveLength(asked)
    await reopen()
  })

  it('lets no lora wait for another that the provider has lost', async () => {
    const { model } = await train(2).result
    await reopen()
    const { weights } = recordOf(model)
    rmSync(join(provider.folder, 'kept', `${weights.replace('tinker://', '')}.npz`))
    await expect(answer(model)).rejects.toMatchObject({ code: 'engine-unavailable' })
    expect(await answer(lora)).toBe('It is Rome')
  })

  it('waits for no proof and no deletion where the provider answers 429 for an hour', async () => {
    const { model } = await train(2).result
    await reopen()
    provider.fail({ status: { ttl: 429, delete: 429 } })
    await expect(answer(model)).rejects.toMatchObject({ code: 'overloaded' })
    await backend.deleteModel(model)
    expect(conditions()).toContain('not-deleted')
    provider.fail({})
    await until(conditions, (kinds) => kinds.length === 0)
  })

  it('deletes there, asks until it is gone, and keeps the receipt over a restart', async () => {
    const { model } = await train(2).result
    const { weights, state } = recordOf(model)
    provider.fail({ keeps: true })
    await backend.deleteModel(model)
    expect(conditions()).toContain('not-deleted')
    await reopen()
    expect(conditions()).toContain('not-deleted')
    provider.fail({})
    await until(conditions, (kinds) => kinds.length === 0)
    const receipts = (await openReceipts(dataDir)).list()
    for (const object of [weights, state]) {
      const receipt = receipts.find((one) => one.object === object)!
      expect(receipt.provider).toBe('tinker')
      expect(receipt.confirmed_at).toBeGreaterThanOrEqual(receipt.requested_at)
    }
  })
})
