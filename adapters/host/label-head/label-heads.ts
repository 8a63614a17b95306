/** Label heads as a kind of heads of an encoder. */
import { textProbabilities } from '../../../src/core/learn/text-head.ts'
import { messagesText } from '../../../src/openai/message-text.ts'
import { invalidRequest } from '../validation.ts'
import { answerOf } from './answer-head.ts'
import { checkTrainingRows, rowLabel, rowText } from './head-rows.ts'
import type { Heads } from './heads.ts'
import type { SentenceEncoder } from './sentence-encoder.ts'
import type { HeadKind } from './with-heads.ts'

/** @param randomSeed for completions with a temperature and without a seed */
export const labelHeads = (
  encoder: SentenceEncoder,
  heads: Heads,
  randomSeed: () => number,
  train: HeadKind['train']
): HeadKind => ({
  method: 'label-head',
  heads,
  train,
  checkRows: checkTrainingRows,
  async answer(request) {
    const head = await heads.load(request.model)
    const text = messagesText(request.messages)
    const { vectors: vector, tokens } = await encoder.encode([text])
    return { ...answerOf(head, { text, vector }, request, randomSeed), promptTokens: tokens[0]! }
  },
  async losses(model, rows) {
    const { head, manifest } = await heads.load(model)
    const texts = rows.map(rowText)
    const { vectors } = await encoder.encode(texts)
    const all = textProbabilities(head, texts, vectors)
    return rows.map((row, at) => {
      const place = manifest.labels.indexOf(rowLabel(row))
      if (place < 0) throw invalidRequest(`row ${at + 1}: ${model} does not know its label`, 'rows')
      return -Math.log(Math.max(all[at * manifest.labels.length + place]!, Number.MIN_VALUE))
    })
  },
  close: () => undefined,
})
