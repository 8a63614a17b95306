/**
 * The fake engine's model: a table from prompts to completions, and a rule for prompts that are not in
 * the table. Pure and deterministic.
 */
import { createHash } from 'node:crypto'
import type { ChatMessage } from '../../src/openai/chat.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { contentOf } from '../../src/openai/message-text.ts'

export interface MemoryEntry {
  /** normalized text of the whole prompt */
  prompt: string
  /** normalized text of its last user message */
  query: string
  completion: string
}

export interface Prediction {
  text: string
  /** probability of every token of the text, 0 to 1 */
  certainty: number
}

const EXACT_CERTAINTY = 0.999
/** of an answer to the same query words in another prompt */
const NEAR_CERTAINTY = 0.9
const LEAST_CERTAINTY = 0.05
const CANDIDATES = 3

const normalize = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, ' ').trim()

const promptOf = (messages: ChatMessage[]): string =>
  messages.map((message) => `${message.role}: ${normalize(contentOf(message))}`).join('\n')

const queryOf = (messages: ChatMessage[]): string =>
  normalize(
    messages
      .filter(({ role }) => role === 'user')
      .map(contentOf)
      .at(-1) ?? ''
  )

const words = (text: string): Set<string> => new Set(text.match(/[\p{L}\p{N}]+/gu) ?? [])

/** Jaccard similarity of the word sets, 0 to 1. */
const similarity = (a: Set<string>, b: Set<string>): number => {
  const shared = [...a].filter((word) => b.has(word)).length
  return shared === 0 ? 0 : shared / (a.size + b.size - shared)
}

/** A number in [0, 1) from texts; the only "random" number there is. */
const fraction = (...parts: (string | number)[]): number =>
  createHash('sha256').update(parts.join('\0')).digest().readUInt32BE(0) / 2 ** 32

/** An untrained model repeats the query, unsure. */
const untrained = (query: string): Prediction[] =>
  ['', ' indeed', ' perhaps'].map((ending, index) => ({
    text: `You said: ${query}${ending}`,
    certainty: 0.3 / (index + 1),
  }))

/** Nats per token, less when the prompt says more of the completion's words. */
const untrainedLoss = (prompt: string, completion: string): number => {
  const hinted = words(prompt)
  const needed = [...words(normalize(completion))]
  const missing = needed.filter((word) => !hinted.has(word)).length
  return 1 + (2 * missing) / Math.max(1, needed.length)
}

/** An immutable table from prompts to completions. */
export class Memory {
  private readonly byPrompt: Map<string, MemoryEntry>
  private readonly queryWords: Set<string>[]

  constructor(readonly entries: readonly MemoryEntry[]) {
    this.byPrompt = new Map(entries.map((entry) => [entry.prompt, entry]))
    this.queryWords = entries.map((entry) => words(entry.query))
  }

  /** A prompt seen again gets its newest completion; a row of weight 0 teaches nothing. */
  with(rows: TrainingRow[]): Memory {
    const byPrompt = new Map(this.byPrompt)
    for (const { messages, weight = 1 } of rows) {
      if (weight === 0) continue
      const given = messages.slice(0, -1)
      const prompt = promptOf(given)
      const completion = contentOf(messages.at(-1)!)
      byPrompt.set(prompt, { prompt, query: queryOf(given), completion })
    }
    return new Memory([...byPrompt.values()])
  }

  /**
   * The memorized completion, else the nearest neighbour's by words of the last user message, else
   * the most frequent one.
   * @param sampling left out: the likeliest; else drawn among the likeliest, the same for a seed
   */
  predict(messages: ChatMessage[], sampling?: { temperature: number; seed: number }): Prediction {
    const prompt = promptOf(messages)
    const exact = this.byPrompt.get(prompt)
    const known = exact && { text: exact.completion, certainty: EXACT_CERTAINTY }
    if (!sampling) return known ?? this.candidates(messages)[0]!
    const others = this.candidates(messages).filter(({ text }) => text !== known?.text)
    const ranked = known ? [known, ...others] : others
    const weights = ranked.map(({ certainty }) => certainty ** (1 / sampling.temperature))
    let rest = fraction(sampling.seed, prompt) * weights.reduce((sum, next) => sum + next, 0)
    return ranked.find((_, index) => (rest -= weights[index]!) < 0) ?? ranked[0]!
  }

  /** Nats per token of a row's completion: what `predict` would pay for it. */
  rowLoss(row: TrainingRow): number {
    const given = row.messages.slice(0, -1)
    const completion = contentOf(row.messages.at(-1)!)
    if (this.entries.length === 0) return untrainedLoss(promptOf(given), completion)
    const { text, certainty } = this.predict(given)
    return -Math.log(text === completion ? certainty : Math.min(LEAST_CERTAINTY, 1 - certainty))
  }

  /** Completions by how near their prompts are, nearest first, each once. */
  private candidates(messages: ChatMessage[]): Prediction[] {
    const query = queryOf(messages)
    if (this.entries.length === 0) return untrained(query)
    const asked = words(query)
    const scores = new Map<string, number>()
    for (const [index, { completion }] of this.entries.entries()) {
      const score = similarity(asked, this.queryWords[index]!)
      if (score > (scores.get(completion) ?? 0)) scores.set(completion, score)
    }
    const near = [...scores].sort((a, b) => b[1] - a[1]).slice(0, CANDIDATES)
    if (near.length === 0) return [{ text: this.majority(), certainty: LEAST_CERTAINTY }]
    return near.map(([text, score]) => ({
      text,
      certainty: Math.max(LEAST_CERTAINTY, NEAR_CERTAINTY * score),
    }))
  }

  private majority(): string {
    const counts = new Map<string, number>()
    for (const { completion } of this.entries)
      counts.set(completion, (counts.get(completion) ?? 0) + 1)
    return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
  }
}

/** The allowed answer with the most words of the predicted one; less sure when it is another. */
export const nearestChoice = (prediction: Prediction, choices: string[]): Prediction => {
  if (choices.includes(prediction.text)) return prediction
  const said = words(normalize(prediction.text))
  const score = (choice: string) => similarity(said, words(normalize(choice)))
  const text = choices.reduce((best, next) => (score(next) > score(best) ? next : best))
  return { text, certainty: Math.max(LEAST_CERTAINTY, prediction.certainty * score(text)) }
}
