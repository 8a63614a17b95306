/**
 * What a stage with a part of the prompt needs to know of the template: its tokens, and the order in which
 * its sentences are dropped.
 */
import { leastEffectFirst, sentencesOf, type Sentence } from '../../core/learn/compress.ts'
import { targetOf } from '../../core/answer/outcome.ts'
import { studentMessages } from '../../core/template/prompt.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { valueIn } from '../../core/lists.ts'

/** Completions on which the effect of a sentence is measured. */
export const EFFECT_ROWS = 32
/** With more sentences, neighbours are measured together, which bounds the cost. */
const MAX_EFFECT_GROUPS = 16

export const sentenceTokens = (
  engine: Engine,
  baseModel: string,
  sentences: Sentence[]
): Promise<number[]> =>
  Promise.all(sentences.map((sentence) => engine.countTokens(baseModel, sentence.text)))

/** Neighbours share a group when there are more than `MAX_EFFECT_GROUPS` sentences. */
const groupOf = (index: number, count: number): number =>
  count <= MAX_EFFECT_GROUPS ? index : Math.floor((index * MAX_EFFECT_GROUPS) / count)

const meanLoss = async (
  engine: Engine,
  model: string,
  text: string,
  exchanges: MatchedExchange[]
): Promise<number> => {
  const rows = exchanges.map(({ match, outcome }) => ({
    messages: [
      ...studentMessages(match, { template: text, constantExamples: [], retrievedExamples: [] }),
      { role: 'assistant', content: targetOf(outcome) },
    ],
  }))
  const { losses } = await engine.loss(model, rows)
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

interface SentenceEffects {
  /** rise of the base model's loss when a sentence is left out */
  effects: number[]
  /** of one pass over the rows with the whole template */
  passSeconds: number
}

const sentenceEffects = async (
  deps: WorkerDeps,
  engine: Engine,
  model: string,
  sentences: Sentence[],
  exchanges: MatchedExchange[]
): Promise<SentenceEffects> => {
  const groups = sentences.map((_, index) => groupOf(index, sentences.length))
  const without = (group: number): string =>
    sentences
      .filter((_, index) => groups[index] !== group)
      .map((sentence) => sentence.text)
      .join('')
  const losses = new Map<number, number>()
  for (const group of new Set(groups))
    losses.set(group, await meanLoss(engine, model, without(group), exchanges))
  // last, when the engine is warm
  const begun = deps.now()
  const full = await meanLoss(engine, model, without(-1), exchanges)
  const passSeconds = (deps.now() - begun) / 1000
  return { effects: groups.map((group) => valueIn(losses, group) - full), passSeconds }
}

/** For schedules that drop the whole template at once: no effects need to be measured. */
const withoutEffects = (sentences: Sentence[]): SentenceEffects => ({
  effects: sentences.map(() => 0),
  passSeconds: 0,
})

interface Compression {
  /** in which the stages drop sentences, by index */
  dropOrder: number[]
  templateTokens: number
  passSeconds: number
}

/** @param hasPrompt whether some stage has a part of the prompt; only then are effects measured */
export const planCompression = async (
  deps: WorkerDeps,
  engine: Engine,
  baseModel: string,
  {
    template,
    train,
    hasPrompt,
  }: { template: Template; train: MatchedExchange[]; hasPrompt: boolean }
): Promise<Compression> => {
  const sentences = sentencesOf(template)
  const tokens = await sentenceTokens(engine, baseModel, sentences)
  const rows = train.filter(({ outcome }) => outcome.kind === 'text').slice(-EFFECT_ROWS)
  const { effects, passSeconds } = hasPrompt
    ? await sentenceEffects(deps, engine, baseModel, sentences, rows)
    : withoutEffects(sentences)
  return {
    passSeconds,
    dropOrder: leastEffectFirst(
      effects,
      sentences.map((sentence) => sentence.protected)
    ),
    templateTokens: tokens.reduce((sum, count) => sum + count, 0),
  }
}
