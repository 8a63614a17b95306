/** Adds a sentence encoder to the embedded engine; its heads of both kinds are trained in child processes. */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import type { EngineBackend } from '../host/backend.ts'
import { Heads } from '../host/label-head/heads.ts'
import { labelHeads } from '../host/label-head/label-heads.ts'
import type { SentenceEncoder } from '../host/label-head/sentence-encoder.ts'
import { messagesText } from '../../src/openai/message-text.ts'
import { withHeads, type HeadKind } from '../host/label-head/with-heads.ts'
import type { Log } from '../host/log.ts'
import type { HeadSetup } from './child-process.ts'
import { openFieldEncoder } from './encoder/fields/field-encoder.ts'
import { openEncoder } from './encoder/sentence-encoder.ts'
import { requestSources } from '../../src/core/answer/request-sources.ts'
import { cutAtStop } from '../host/cut-at-stop.ts'
import { invalidRequest } from '../host/validation.ts'
import { fieldAnswer } from './field-heads/field-answer.ts'
import { FieldHeads } from './field-heads/field-heads.ts'
import { checkFieldRows } from './field-heads/field-rows.ts'
import { runTrainingJob } from './training-jobs.ts'

export interface OnnxEncoderOptions {
  /** a Hugging Face folder of sentence-transformers */
  encoderPath: string
  /** gets the folder `heads` */
  dataDir: string
  threads: number
  log: Log
  /** told the process id of every training process */
  onTrainingProcess?: (pid: number | undefined) => void
}

const trainInChild =
  (
    kind: 'train-head' | 'train-field-head',
    setup: HeadSetup,
    onStart: OnnxEncoderOptions['onTrainingProcess']
  ): HeadKind['train'] =>
  (input, hooks) =>
    runTrainingJob(input, (taskFile) => ({ kind, setup, taskFile }), hooks, onStart)

/** Field heads as a kind of heads of an encoder. */
export const fieldHeads = (
  encoder: SentenceEncoder,
  heads: FieldHeads,
  train: HeadKind['train']
): HeadKind => ({
  method: 'field-head',
  heads,
  train,
  checkRows: checkFieldRows,
  async answer({ model, messages, structured_outputs: constraint, stop }) {
    const { text, logprob } = await heads.use(model, async (head) => {
      const sources = requestSources(messages, head.slots)
      const [scores] = await head.model.scores([sources])
      return fieldAnswer(head, sources, scores!, constraint?.choice)
    })
    const bytes = [...new TextEncoder().encode(text)]
    return {
      text: cutAtStop(text, stop),
      logprob: { token: text, logprob, bytes, top_logprobs: [] },
      promptTokens: encoder.countTokens(messagesText(messages)),
    }
  },
  async losses(model) {
    throw invalidRequest(`${model} is a field head, which has no loss of a text`, 'model')
  },
  close: () => heads.close(),
})

/** @throws AppError `invalid-model` with the file at fault, `invalid-config`, `store-unavailable` */
export const withEncoder = async (
  backend: EngineBackend,
  { encoderPath, dataDir, threads, log, onTrainingProcess }: OnnxEncoderOptions
): Promise<EngineBackend> => {
  const encoder = await openEncoder(encoderPath, { threads })
  const setup: HeadSetup = { encoderPath, headsDir: join(dataDir, 'heads'), threads }
  const train = (kind: 'train-head' | 'train-field-head') =>
    trainInChild(kind, setup, onTrainingProcess)
  const heads = await Heads.open(setup.headsDir, encoder.fingerprint, log)
  const fields = await FieldHeads.open({
    folder: setup.headsDir,
    openEncoder: () => openFieldEncoder(encoderPath),
    threads,
    log,
  })
  return withHeads(backend, encoder, [
    labelHeads(encoder, heads, () => randomInt(2 ** 31), train('train-head')),
    fieldHeads(encoder, fields, train('train-field-head')),
  ])
}
