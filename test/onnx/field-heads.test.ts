/** Field heads of the embedded engine, on a tiny encoder: how well they answer is measured, not tested. */
import { mkdtempSync, readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { CompletionEnd, EngineBackend } from '../../adapters/host/backend.ts'
import { noModel } from '../../adapters/host/model-records.ts'
import type { ChatRequest, TokenLogprob } from '../../src/openai/chat.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { seededRandom } from '../../src/random.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { loadBuilt } from '../kit/process/built.ts'
import { row } from '../contract/harness.ts'
import { observe, trainInput } from '../kit/model/observe.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

type Heads = typeof import('../../adapters/onnx/label-heads.ts')
const { withEncoder } = await loadBuilt<Heads>('adapters/onnx/label-heads.ts')

const root = sharedFolder()
const encoderPath = join(root, 'tiny-bert')
const log = () => undefined

beforeAll(() => writeTinyBert(encoderPath, { seed: 6 }))

/** The amount is copied from the text, the kind is chosen. */
const rowsOf = (count: number, seed = 1): TrainingRow[] => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => {
    const amount = String(Math.floor(random() * 900) + 100)
    const isLost = random() < 0.5
    const text = isLost ? `my card is lost , ${amount} money` : `transfer the money : ${amount} ?`
    const answer = JSON.stringify({ kind: isLost ? 'lost' : 'transfer', amount })
    return row(text, answer)
  })
}

const open = async (
  dataDir: string,
  onPid: (pid: number | undefined) => void = () => undefined
): Promise<EngineBackend> => {
  const options = { encoderPath, dataDir, threads: 1, log, onTrainingProcess: onPid }
  const backend = await withEncoder(noModel, options)
  onTestFinished(() => backend.close())
  return backend
}

const inputOf = (rows: TrainingRow[]) =>
  trainInput({
    model: 'tiny-bert',
    rows,
    method: 'field-head',
    checkpointDir: mkdtempSync(join(root, 'checkpoint-')),
  })

const freshFolder = () => mkdtempSync(join(root, 'data-'))

interface Answer {
  text: string
  logprob: TokenLogprob
  end: CompletionEnd
}

const ask = async (
  backend: EngineBackend,
  model: string,
  content: string,
  others: Partial<ChatRequest> = {}
): Promise<Answer> => {
  const request = { model, messages: [{ role: 'user', content }], ...others } as ChatRequest
  const answers = backend.complete(request, new AbortController().signal)
  const first = await answers.next()
  const last = await answers.next()
  if (first.done || !last.done) throw new Error('expected one piece and an end')
  return { text: first.value.text, logprob: first.value.logprobs[0]!, end: last.value }
}

describe('a field head', () => {
  it('is trained in a process of its own, answers in the form, and is there after a restart', async () => {
    const dataDir = freshFolder()
    const backend = await open(dataDir)
    const [encoder] = backend.models()
    expect(encoder!.training_methods).toEqual(['label-head', 'field-head'])
    const rows = rowsOf(200)
    await backend.validateTraining('tiny-bert', rows, 'field-head')
    const { model, metrics } = await backend.train(inputOf(rows), observe())
    expect(metrics.steps).toBeGreaterThan(0)
    const { text, logprob, end } = await ask(backend, model, 'my card is lost , 712 money')
    expect(JSON.parse(text)).toMatchObject({ kind: expect.stringMatching(/^(lost|transfer)$/) })
    expect(logprob).toMatchObject({ token: text, bytes: [...Buffer.from(text)] })
    expect(logprob.logprob).toBeLessThanOrEqual(0)
    expect(end.finishReason).toBe('stop')
    const again = await open(dataDir)
    expect(await ask(again, model, 'my card is lost , 712 money')).toEqual({ text, logprob, end })
    await again.deleteModel(model)
    expect(again.models().map(({ id }) => id)).not.toContain(model)
    await expect(ask(again, model, 'x')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('is not sure of what it has not read, and of an answer that is not among the choices', async () => {
    const backend = await open(freshFolder())
    const { model } = await backend.train(inputOf(rowsOf(120)), observe())
    const long = `my card is lost , 712 money ${'where is the new card '.repeat(80)}`
    expect((await ask(backend, model, long)).logprob.logprob).toBe(-100)
    const choice = ['{"kind":"none"}']
    const other = await ask(backend, model, 'my card is lost , 712 money', {
      structured_outputs: { choice },
    })
    expect(other).toMatchObject({ text: '', logprob: { logprob: -100 } })
  })

  it('is not sure of a request of another kind, however sure its tagger is', async () => {
    const backend = await open(freshFolder())
    const { model } = await backend.train(inputOf(rowsOf(120)), observe())
    const other = await ask(backend, model, 'cancel my card , 712 money is missing')
    expect(other.logprob.logprob).toBe(-100)
    const like = await ask(backend, model, 'my card is lost , 955 money')
    expect(like.logprob.logprob).toBeGreaterThan(-100)
  })

  it('ends its answer before a stop text', async () => {
    const backend = await open(freshFolder())
    const { model } = await backend.train(inputOf(rowsOf(60)), observe())
    const { text } = await ask(backend, model, 'my card is lost , 712 money')
    const cut = await ask(backend, model, 'my card is lost , 712 money', { stop: ['none', ','] })
    expect(cut.text).toBe(text.slice(0, text.indexOf(',')))
    expect(cut.logprob.token).toBe(text)
  })

  it('refuses equal completions before a job is created, and trains none without a form', async () => {
    const backend = await open(freshFolder())
    const equal = rowsOf(60).map(({ messages: [question] }) => ({
      messages: [question!, { role: 'assistant', content: 'always' }],
    }))
    await expect(backend.validateTraining('tiny-bert', equal, 'field-head')).rejects.toMatchObject({
      code: 'invalid-request',
      param: 'training_file',
    })
    const rows = rowsOf(60).map(({ messages: [question] }, at) => ({
      messages: [
        question!,
        { role: 'assistant', content: `${'abcdefghij'.repeat(at + 1)} ${at}x` },
      ],
    }))
    await expect(backend.train(inputOf(rows), observe())).rejects.toMatchObject({
      code: 'invalid-request',
      message: expect.stringMatching(/^no form explains/) as string,
    })
  })

  it('that is damaged is not served, and says why', async () => {
    const dataDir = freshFolder()
    const backend = await open(dataDir)
    const { model } = await backend.train(inputOf(rowsOf(60)), observe())
    const [file] = readdirSync(join(dataDir, 'heads'))
    truncateSync(join(dataDir, 'heads', file!), 5_000)
    const again = await open(dataDir)
    expect(again.models().map(({ id }) => id)).toEqual(['tiny-bert'])
    await expect(ask(again, model, 'my card')).rejects.toThrow(/damaged/)
  })
})
