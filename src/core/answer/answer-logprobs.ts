/** The log-probabilities of an answer's tokens, as a client may get them. Pure. */
import type { TokenLogprob } from '../../openai/chat.ts'

/** The API's number for a token that is next to impossible; JSON has no infinite ones. */
const IMPOSSIBLE = -9999

interface Entry {
  token: string
  logprob: number
  bytes: number[]
}

/** An engine gives no bytes where they are those of the token's text. */
const entryOf = ({ token, logprob, bytes }: Omit<TokenLogprob, 'top_logprobs'>): Entry => ({
  token,
  logprob: Number.isFinite(logprob) ? logprob : IMPOSSIBLE,
  bytes: bytes ?? [...Buffer.from(token)],
})

/**
 * The tokens that an answer's text consists of. A token behind them ends the answer, and the API does not list it.
 * @param tokens of the engine, in their order
 * @param alternatives how many other tokens the client wants beside each, 0 to 20
 * @returns null where the tokens are not those of the text, as of a text cut at a stop string, or where there are
 * no alternatives
 */
export const contentLogprobs = (
  tokens: readonly TokenLogprob[],
  content: string,
  alternatives: number
): TokenLogprob[] | null => {
  const wanted = Buffer.from(content)
  const listed: TokenLogprob[] = []
  let length = 0
  for (const { top_logprobs: others, ...token } of tokens) {
    if (length === wanted.length) break
    const entry = entryOf(token)
    const isNext = wanted
      .subarray(length, length + entry.bytes.length)
      .equals(Buffer.from(entry.bytes))
    if (!isNext || (alternatives > 0 && others.length === 0)) return null
    length += entry.bytes.length
    listed.push({ ...entry, top_logprobs: others.slice(0, alternatives).map(entryOf) })
  }
  return length === wanted.length ? listed : null
}
