/** A head's answer to one encoded text: the label, probabilities and the distance. Pure. */
import { acceptance, mostLikely } from '../../../src/core/learn/acceptor.ts'
import { neighbourhoodIn, type Neighbourhood } from '../../../src/core/learn/head/neighbourhood.ts'
import { textProbabilities } from '../../../src/core/learn/text-head.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import { seededRandom } from '../../../src/random.ts'
import { cutAtStop } from '../cut-at-stop.ts'
import type { LabelHead } from './head-file.ts'
import type { HeadAnswer } from './with-heads.ts'
import { invalidRequest } from '../validation.ts'
import { isFields, parseJson } from '../../../src/openai/fields.ts'

interface Candidate {
  label: string
  /** its class */
  at: number
  probability: number
}

/** The labels that the request allows, most probable first; probabilities stay those of all labels. */
const candidatesOf = (
  { id, manifest }: LabelHead,
  all: Float32Array,
  { structured_outputs: constraint, response_format: format }: ChatRequest
): Candidate[] => {
  const ranked = manifest.labels
    .map((label, at) => ({ label, at, probability: all[at]! }))
    .toSorted((a, b) => b.probability - a.probability)
  const choices = constraint?.choice && new Set(constraint.choice)
  const allowed = choices ? ranked.filter(({ label }) => choices.has(label)) : ranked
  if (allowed.length === 0)
    throw invalidRequest(`${id} knows none of the choices`, 'structured_outputs.choice')
  if (format?.type !== 'json_object') return allowed
  const objects = allowed.filter(({ label }) => isFields(parseJson(label)))
  if (objects.length === 0)
    throw invalidRequest(`no label of ${id} is a JSON object`, 'response_format')
  return objects
}

/** The most probable labels that together have at least the share `topP`. */
const nucleus = (candidates: Candidate[], topP: number): Candidate[] => {
  const total = candidates.reduce((sum, { probability }) => sum + probability, 0)
  let sum = 0
  const end = candidates.findIndex(({ probability }) => (sum += probability) >= topP * total)
  return end < 0 ? candidates : candidates.slice(0, end + 1)
}

/** The likeliest label, or with a temperature one that is drawn. */
const choose = (
  candidates: Candidate[],
  { temperature, top_p: topP, seed }: ChatRequest,
  randomSeed: () => number
): Candidate => {
  if (!temperature) return candidates[0]!
  const likely = nucleus(candidates, topP ?? 1)
  const best = likely[0]!.probability
  const shares = likely.map(({ probability }) => (probability / best) ** (1 / temperature))
  let rest = seededRandom(seed ?? randomSeed())() * shares.reduce((sum, share) => sum + share, 0)
  return likely.find((_, at) => (rest -= shares[at]!) < 0) ?? likely[0]!
}

const entryOf = ({ label, probability }: Candidate) => ({
  token: label,
  // a probability may be too small for a number of 32 bits
  logprob: Math.min(0, Math.log(Math.max(probability, Number.MIN_VALUE))),
  bytes: [...new TextEncoder().encode(label)],
})

/**
 * How sure the head is of its answer: as likely as answers like it were right. Other labels share the rest. An
 * answer that only the choices have made the best keeps its probability: there were none like it.
 */
const withAcceptance = (
  { acceptor }: LabelHead,
  all: Float32Array,
  chosen: Candidate,
  near: Neighbourhood
): ((candidate: Candidate) => Candidate) => {
  if (acceptor === null || chosen.at !== mostLikely(all, 0, all.length))
    return (candidate) => candidate
  const accepted = acceptance(acceptor, all, chosen.at, near)
  const rest = (1 - accepted) / Math.max(1 - chosen.probability, Number.EPSILON)
  return (candidate) => ({
    ...candidate,
    probability: candidate.at === chosen.at ? accepted : Math.min(1, rest * candidate.probability),
  })
}

/** A text and its embedding. */
export interface EncodedText {
  text: string
  vector: Float32Array
}

/**
 * @param randomSeed for a request with a temperature and without a seed
 * @throws AppError `invalid-request` when the head knows none of the choices, or no label is an object
 * where the request asks for one
 */
export const answerOf = (
  head: LabelHead,
  { text, vector }: EncodedText,
  request: ChatRequest,
  randomSeed: () => number
): Omit<HeadAnswer, 'promptTokens'> => {
  const all = textProbabilities(head.head, [text], vector)
  const candidates = candidatesOf(head, all, request)
  const chosen = choose(candidates, request, randomSeed)
  const near = neighbourhoodIn(head.queries, vector, chosen.at)
  const accepted = withAcceptance(head, all, chosen, near)
  return {
    text: cutAtStop(chosen.label, request.stop),
    logprob: {
      ...entryOf(accepted(chosen)),
      top_logprobs: candidates
        .slice(0, request.top_logprobs ?? 0)
        .map((candidate) => entryOf(accepted(candidate))),
    },
    distance: 1 - near.nearest,
  }
}
