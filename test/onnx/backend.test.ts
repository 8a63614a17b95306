import { cpSync, existsSync, mkdirSync, mkdtempSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OnnxBackendOptions } from '../../adapters/onnx/backend.ts'
import { createGenerator } from '../../adapters/onnx/generate/generator.ts'
import { matricesOf } from '../../adapters/onnx/generate/fused-lora.ts'
import { Loras } from '../../adapters/lora/loras.ts'
import { loadModel } from '../../adapters/onnx/load-model.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import type { EngineBackend, TrainInput } from '../../adapters/host/backend.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { loadBuilt } from '../kit/process/built.ts'
import { row } from '../contract/harness.ts'
import { observe, trainInput } from '../kit/model/observe.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

type Backend = typeof import('../../adapters/onnx/backend.ts')
const { createOnnxBackend } = await loadBuilt<Backend>('adapters/onnx/backend.ts')

const root = sharedFolder()
const modelPath = join(root, 'tiny')
const dataDir = join(root, 'data')
const log = () => undefined
let backend: EngineBackend
/** trained once, on the memorization task */
let lora: string
const pids: (number | undefined)[] = []

const open = (options: Partial<OnnxBackendOptions> = {}): Promise<EngineBackend> =>
  createOnnxBackend({
    modelPath,
    dataDir,
    threads: 1,
    checkpointSeconds: 0.02,
    log,
    precision: 'float32',
    onTrainingProcess: (pid) => pids.push(pid),
    ...options,
  })

const TASK: [string, string][] = [
  ['Where is my card?', 'card_arrival'],
  ['It was eaten', 'card_swallowed'],
  ['Top up failed!', 'top_up_failed'],
  ['ünïcode 🙂', 'ok, 🙂'],
]
const rows = TASK.map(([question, answer]) => row(question, answer))

const input = (overrides: Partial<TrainInput> = {}): TrainInput =>
  trainInput({
    model: 'tiny',
    rows,
    validationRows: rows.slice(0, 2),
    method: 'supervised',
    hyperparameters: { rank: 8, learning_rate: 1e-2, batch_size: 4, max_steps: 60 },
    metadata: { purpose: 'test' },
    checkpointDir: mkdtempSync(join(root, 'checkpoint-')),
    ...overrides,
  })

const ask = async (
  model: string,
  content: string,
  extra: Partial<ChatRequest> = {},
  from = backend
) => {
  const request = { model, messages: [{ role: 'user', content }], max_tokens: 40, ...extra }
  const deltas = from.complete(request, new AbortController().signal)
  let text = ''
  const logprobs: number[] = []
  for (;;) {
    const { done, value } = await deltas.next()
    if (done) return { text, logprobs, end: value }
    text += value.text
    logprobs.push(...value.logprobs.map(({ logprob }) => logprob))
  }
}

beforeAll(async () => {
  writeRandomModel(modelPath, { seed: 5 })
  backend = await open()
  lora = (await backend.train(input(), observe())).model
}, 60_000)
afterAll(() => backend.close())

describe('a lora that learns from the base model with the prompt', () => {
  const instructions = { role: 'system', content: 'Say what comes next, in the order given.' }
  const taught = rows.map((one) => ({
    ...one,
    teacher_messages: [instructions, ...one.messages.slice(0, -1)],
  }))

  it('learns the answers where the base model would have said something else', async () => {
    const { losses: before } = await backend.loss('tiny', rows)
    const seen = observe()
    const { model } = await backend.train(
      input({ rows: taught, method: 'self-distillation' }),
      seen
    )
    const { losses } = await backend.loss(model, rows)
    expect(Math.max(...losses)).toBeLessThan(0.1 * Math.min(...before))
    expect(seen.messages).toContain(`the teacher has read ${rows.length} of ${rows.length} rows`)
  })

  it('is refused when what the teacher reads is over the context', async () => {
    const long = { role: 'system', content: 'word '.repeat(2000) }
    const tooLong = { ...rows[0]!, teacher_messages: [long, ...rows[0]!.messages.slice(0, -1)] }
    await expect(backend.validateTraining('tiny', [tooLong])).rejects.toMatchObject({
      code: 'context-length-exceeded',
    })
  })
})

describe('a trained lora', () => {
  it('answers with its training completions, and the base model does not', async () => {
    for (const [question, answer] of TASK) {
      const { text, end } = await ask(lora, question)
      expect(text).toBe(answer)
      expect(end.finishReason).toBe('stop')
      expect((await ask('tiny', question)).text).not.toBe(answer)
    }
  })

  it('has the loss in training that it has in serving', async () => {
    const model = await loadModel(modelPath)
    const loras = await Loras.open(join(dataDir, 'loras'), model, log)
    const generator = await createGenerator({
      config: model.config,
      weights: model.weights,
      threads: 1,
      loadLora: async (id) => matricesOf(await loras.read(id)),
    })
    for (const name of ['tiny', lora]) {
      const { losses, tokens } = await backend.loss(name, rows)
      for (const [index, one] of rows.entries()) {
        const rendered = model.chat.renderRow(one, { defaultSystem: name === 'tiny' })
        const { promptIds, completionIds } = rendered
        const logprobs = await generator.score(
          [...promptIds, ...completionIds],
          { from: promptIds.length, lora: name === 'tiny' ? null : name, usePrefixCache: false },
          new AbortController().signal
        )
        const mean = -logprobs.reduce((sum, nats) => sum + nats, 0) / logprobs.length
        expect(tokens[index]).toBe(completionIds.length)
        expect(Math.abs(losses[index]! - mean)).toBeLessThan(1e-5)
      }
    }
    await generator.close()
    model.close()
  })

  it('is listed with its base, and both count the tokens that they read', async () => {
    const [base, trained] = backend.models()
    expect(base).toMatchObject({ id: 'tiny', max_model_len: 512, parameters: 78_656 })
    expect(trained).toMatchObject({ id: lora, parent: 'tiny' })
    const messages = [{ role: 'user', content: 'hi' }]
    const [count, ofBase] = await Promise.all(
      [lora, 'tiny'].map((model) => backend.countTokens(model, messages))
    )
    expect((await ask(lora, 'hi')).end.usage.prompt_tokens).toBe(count)
    // the base model's prompt has the template's own system block
    expect((await ask('tiny', 'hi')).end.usage.prompt_tokens).toBe(ofBase)
    expect(ofBase).toBeGreaterThan(count!)
    expect(await backend.countTokens(lora, 'the')).toBe(1)
  })
})

describe('a training process', () => {
  it('that is killed goes on from its checkpoint and ends with the same lora', async () => {
    const seen = observe()
    let kills = 0
    const result = await backend.train(input(), {
      ...seen,
      onProgress: ({ step }) => {
        if (step < 20 || kills > 0) return
        kills++
        process.kill(pids.at(-1)!, 'SIGKILL')
      },
    })
    expect(kills).toBe(1)
    expect(seen.messages.join()).toMatch(
      /died \(SIGKILL\).*resumed from the checkpoint at step \d+/
    )
    expect(result.model).toBe(lora)
    expect((await ask(lora, TASK[0]![0])).text).toBe(TASK[0]![1])
  })

  it('that dies again and again fails its job, and serving goes on', async () => {
    let killer: NodeJS.Timeout | undefined
    const before = pids.length
    const mortal = await open({
      onTrainingProcess: (pid) => {
        pids.push(pid)
        killer = setTimeout(() => process.kill(pid!, 'SIGKILL'), 50)
      },
    })
    await expect(mortal.train(input(), observe())).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('3 times') as string,
    })
    clearTimeout(killer)
    expect(pids.length - before).toBe(3)
    expect((await ask(lora, TASK[0]![0], {}, mortal)).text).toBe(TASK[0]![1])
    await mortal.close()
  })

  it('that is cancelled stops after a step, and the job goes on there later', async () => {
    const abort = new AbortController()
    const job = input()
    const stopAt10 = ({ step }: { step: number }) => {
      if (step >= 10) abort.abort(new Error('stop'))
    }
    const training = backend.train(job, { ...observe(abort.signal), onProgress: stopAt10 })
    await expect(training).rejects.toThrow('stop')
    expect(() => process.kill(pids.at(-1)!, 0)).toThrow(/ESRCH/)
    const seen = observe()
    const result = await backend.train(job, seen)
    expect(seen.messages.join()).toMatch(/resumed from the checkpoint at step \d\d/)
    expect(result.model).toBe(lora)
    expect(result.metrics.steps).toBe(60)
  })
})

describe('what cannot be trained or served', () => {
  it('rows that the child refuses come back as the error they are', async () => {
    await expect(backend.loss(lora, [row('x'.repeat(600), 'y')])).rejects.toMatchObject({
      code: 'context-length-exceeded',
    })
  })

  it('the base model cannot be deleted, nor a lora that a request or a job uses', async () => {
    await expect(backend.deleteModel('tiny')).rejects.toMatchObject({ code: 'invalid-request' })
    const request = { model: lora, messages: [{ role: 'user', content: TASK[0]![0] }] }
    const deltas = backend.complete(request, new AbortController().signal)
    await deltas.next()
    await expect(backend.deleteModel(lora)).rejects.toMatchObject({ code: 'conflict' })
    await deltas.return(undefined as never)
    const losses = backend.loss(lora, rows)
    await expect(backend.deleteModel(lora)).rejects.toMatchObject({ code: 'conflict' })
    await losses
  })

  it('a damaged lora, a foreign one and a left-over draft are not listed, and the reason is told', async () => {
    const other = join(root, 'other')
    const loras = join(other, 'loras')
    cpSync(join(dataDir, 'loras', lora), join(loras, lora), { recursive: true })
    truncateSync(join(loras, lora, 'adapter_model.safetensors'), 1000)
    mkdirSync(join(loras, '.draft-1'))
    const warnings: unknown[] = []
    const reopened = await open({
      dataDir: other,
      log: (level, _, fields) => level === 'warn' && warnings.push(fields),
    })
    expect(reopened.models()).toHaveLength(1)
    expect(warnings).toHaveLength(1)
    await expect(ask(lora, 'hi', {}, reopened)).rejects.toMatchObject({ code: 'invalid-request' })
    expect(existsSync(join(loras, '.draft-1'))).toBe(false)
    await reopened.close()

    writeRandomModel(join(root, 'stranger'), { seed: 6 })
    const stranger = await open({ modelPath: join(root, 'stranger') })
    await expect(stranger.validateTraining(lora, rows)).rejects.toMatchObject({
      code: 'invalid-request',
      message: expect.stringContaining('another base model') as string,
    })
    await stranger.close()
  })
})
