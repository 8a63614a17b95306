/**
 * The part of Nebius Token Factory's API that is used here, as bodies and what is read from answers. Pure. Names are
 * those of its OpenAPI document, version 20260506; it takes token ids and answers with the tokens' texts, so each
 * text is compared with the text of its id.
 */
import { AppError } from '../../../src/errors.ts'
import type { TextTokenizer } from '../../text/text-tokenizer.ts'
import type { GenerationRequest, SampledToken, TokenChoice } from '../../text/tokens.ts'

/** Half a character, as the provider writes it. */
const HALF = '\uFFFD'

/** A tokenizer's control tokens as texts, and the texts of all others. */
export type Vocabulary = Pick<TextTokenizer, 'encode' | 'decodeBytes' | 'eosIds' | 'controlIds'>

export const completionBody = (model: string, request: GenerationRequest) => ({
  model,
  prompt: request.promptIds,
  max_tokens: request.maxTokens,
  temperature: request.sampling.temperature,
  top_p: request.sampling.topP,
  logprobs: request.topLogprobs,
})

/** For the log-probabilities of given tokens; one more is generated, and not read. */
export const scoreBody = (model: string, ids: readonly number[]) => ({
  model,
  prompt: ids,
  max_tokens: 1,
  temperature: 0,
  logprobs: 0,
  echo: true,
})

/** What is asked again, because the provider answers as if it were asked something else. */
const otherTokens = (what: string): AppError =>
  new AppError(
    'internal',
    `the provider's log-probabilities are of other tokens: ${what}; not served`
  )

/**
 * A host that does not find a lora may answer by its base model, and name it.
 * @throws AppError `internal`
 */
export const requireAnswerOf = (asked: string, base: string, answer: unknown): void => {
  const { model } = (answer ?? {}) as { model?: unknown }
  if (model === base && asked !== base)
    throw new AppError('internal', `${base} answers what was asked of ${asked}; not served`)
}

interface Choice {
  text: string
  finish_reason: string | null
  logprobs: {
    tokens: string[]
    token_logprobs: (number | null)[]
    top_logprobs?: (Record<string, number> | null)[] | null
  }
}

const choiceOf = (answer: unknown): Choice => {
  const { choices } = (answer ?? {}) as {
    choices?: (Partial<Omit<Choice, 'logprobs'>> & {
      logprobs?: Partial<Choice['logprobs']> | null
    })[]
  }
  const choice = choices?.[0]
  const { tokens, token_logprobs: nats } = choice?.logprobs ?? {}
  if (typeof choice?.text !== 'string' || !tokens || !nats)
    throw new AppError(
      'internal',
      'the provider gives an answer without log-probabilities of its tokens; not served'
    )
  if (tokens.length !== nats.length) throw otherTokens(`${nats.length} of ${tokens.length}`)
  const { text, finish_reason = null, logprobs } = choice
  return { text, finish_reason, logprobs: { ...logprobs, tokens, token_logprobs: nats } }
}

const textOf = (vocabulary: Vocabulary, id: number): string => {
  for (const [text, control] of vocabulary.controlIds) if (control === id) return text
  return Buffer.from(vocabulary.decodeBytes(id)).toString('utf8')
}

/** A server writes half a character as it likes, and a control token as nothing, perhaps. */
const isTextOf = (vocabulary: Vocabulary, text: string, id: number): boolean => {
  const own = textOf(vocabulary, id)
  return text === own || own.includes(HALF) || (text === '' && isControl(vocabulary, id))
}

const isControl = ({ decodeBytes }: Vocabulary, id: number): boolean => decodeBytes(id).length === 0

/** @returns nats of every token but the first @throws AppError `internal` where they are not of these tokens */
export const readScores = (
  answer: unknown,
  ids: readonly number[],
  vocabulary: Vocabulary
): number[] => {
  const { tokens, token_logprobs: nats } = choiceOf(answer).logprobs
  // the generated one follows
  if (tokens.length !== ids.length + 1 && tokens.length !== ids.length)
    throw otherTokens(`${tokens.length} texts of ${ids.length} ids`)
  ids.forEach((id, at) => {
    if (!isTextOf(vocabulary, tokens[at]!, id))
      throw otherTokens(`token ${at} is ${JSON.stringify(tokens[at])}`)
  })
  return nats.slice(1, ids.length).map((value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw otherTokens('not numbers')
    return Math.min(0, value)
  })
}

/** Of an alternative; those that are no token by themselves are left out. */
const choicesOf = (
  named: Record<string, number> | null | undefined,
  vocabulary: Vocabulary
): TokenChoice[] =>
  Object.entries(named ?? {})
    .flatMap(([text, logprob]) => {
      const control = vocabulary.controlIds.get(text)
      const ids = control === undefined ? encode(vocabulary, text) : [control]
      return ids.length === 1 ? [{ tokenId: ids[0]!, logprob: Math.min(0, logprob) }] : []
    })
    .toSorted((a, b) => b.logprob - a.logprob)

const encode = (vocabulary: Vocabulary, text: string): number[] =>
  vocabulary.encode(text, { special: false, continues: true })

/** The ids of an answer's text, or of its tokens one by one where it was not cut as a text is. */
const idsOf = (text: string, tokens: readonly string[], vocabulary: Vocabulary): number[] => {
  const whole = encode(vocabulary, text)
  const isWhole =
    whole.length === tokens.length && whole.every((id, at) => isTextOf(vocabulary, tokens[at]!, id))
  if (isWhole) return whole
  const each = tokens.map((token) => encode(vocabulary, token))
  if (tokens.join('') !== text || each.some(({ length }) => length !== 1))
    throw otherTokens(
      `${JSON.stringify(tokens.slice(0, 8))} of ${JSON.stringify(text.slice(0, 80))}`
    )
  return each.flat()
}

export interface Answer {
  tokens: SampledToken[]
  finishReason: 'stop' | 'length'
}

/** The end token, where the host reports it: by its text, or by none. */
const endOf = (
  { finish_reason: reason, logprobs }: Choice,
  vocabulary: Vocabulary
): number | null => {
  const { eosIds } = vocabulary
  const last = logprobs.tokens.at(-1)
  if (reason !== 'stop' || last === undefined) return null
  const named = eosIds.find((id) => last === textOf(vocabulary, id)) ?? null
  return last === '' ? eosIds[0]! : named
}

/** @throws AppError `internal` where the log-probabilities are not of the answer */
export const readAnswer = (
  answer: unknown,
  topLogprobs: number,
  vocabulary: Vocabulary
): Answer => {
  const choice = choiceOf(answer)
  const { tokens, token_logprobs: nats, top_logprobs: top } = choice.logprobs
  const end = endOf(choice, vocabulary)
  const texts = end === null ? tokens : tokens.slice(0, -1)
  const ids = [...idsOf(choice.text, texts, vocabulary), ...(end === null ? [] : [end])]
  return {
    finishReason: choice.finish_reason === 'length' ? 'length' : 'stop',
    tokens: ids.map((tokenId, at) => {
      const logprob = nats[at]
      if (typeof logprob !== 'number' || !Number.isFinite(logprob)) throw otherTokens('not numbers')
      return {
        tokenId,
        logprob: Math.min(0, logprob),
        top: choicesOf(top?.[at], vocabulary).slice(0, topLogprobs),
      }
    }),
  }
}
