/** Answers on their way between a dialect and the rest: from a stream, and to a caller. */
import type { TokenLogprob, Usage } from './chat.ts'

export interface RenderedCall {
  id: string
  /** of its item in a response */
  itemId: string
  name: string
  /** JSON */
  arguments: string
}

/** A lora's answer. */
export interface RenderedAnswer {
  id: string
  /** of its message's item in a response */
  itemId: string
  /** when the request arrived, and when the answer was complete; seconds since the epoch */
  created: number
  completed: number
  model: string
  /** of the weights that made it, `fp_…` */
  fingerprint: string
  /** '' where functions are called */
  content: string
  /** of functions, in order; without any the answer is its content */
  calls: readonly RenderedCall[]
  /** of the content's tokens; null where the request does not ask for them, and for calls */
  logprobs: readonly TokenLogprob[] | null
  /** null when the engine counts no tokens; then the answer has no usage */
  usage: Usage | null
}

/** Characters of a piece at least, and pieces at most: each costs an event of its own. */
const PIECE_CHARS = 8
const MAX_PIECES = 64

/** A text in the pieces in which a stream sends it; no character is split. None for an empty text. */
export const piecesOf = (text: string): string[] => {
  const chars = Math.max(PIECE_CHARS, Math.ceil(text.length / MAX_PIECES))
  return text.match(new RegExp(`.{1,${chars}}`, 'gsu')) ?? []
}

/** A piece of a text with the log-probabilities of its tokens; null where nobody asks for them. */
interface ContentPiece {
  text: string
  logprobs: readonly TokenLogprob[] | null
}

const textOf = (tokens: readonly TokenLogprob[]): string =>
  tokens.map(({ token }) => token).join('')

/** The content as a stream sends it: tokens stay whole where their log-probabilities go with them. */
export const contentPieces = ({
  content,
  logprobs,
}: Pick<RenderedAnswer, 'content' | 'logprobs'>): ContentPiece[] => {
  if (logprobs === null) return piecesOf(content).map((text) => ({ text, logprobs: null }))
  // a token may have half a character
  if (textOf(logprobs) !== content) return [{ text: content, logprobs }]
  const size = Math.ceil(logprobs.length / MAX_PIECES)
  return Array.from({ length: Math.ceil(logprobs.length / size) || 0 }, (_, index) => {
    const tokens = logprobs.slice(index * size, (index + 1) * size)
    return { text: textOf(tokens), logprobs: tokens }
  })
}

/** Makes the body of an answer from a stream. Bytes may be cut anywhere. */
export interface AnswerAccumulator {
  push(bytes: Uint8Array): void
  /** the last error that the stream sent */
  readonly error: unknown
  /** As without streaming; null while there is none. */
  answer(): { usage?: Usage } | null
}
