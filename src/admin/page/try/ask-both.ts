/** Asks the same question twice by the public path: as a client does, and past all routes. */
import { completionOf } from '../../../core/log/record-bodies.ts'
import { AppError } from '../../../errors.ts'
import { errorMessageIn } from '../../../openai/error-body.ts'
import { tokenCounts } from '../../../openai/usage/usage.ts'
import type { AdminDeps, ProxyAnswer } from '../../deps.ts'

export interface Tried {
  /** of the answer, or of the error */
  text: string
  status: number
  ms: number
  model: string | null
  promptTokens: number | null
  answerTokens: number | null
  /** `answered`, `fallback` or `skipped`; null: no live route matched */
  route: string | null
  /** why the upstream answered; null: no route was asked, or it answered */
  reason: string | null
  /** probability; null: nothing was answered by a small model */
  confidence: number | null
}

type Read = Pick<Tried, 'text' | 'model' | 'promptTokens' | 'answerTokens'>

const readAnswer = ({ status, text }: ProxyAnswer): Read => {
  const completion =
    status < 300 ? completionOf({ path: '/v1/chat/completions', response: text }) : null
  const message = completion?.choices?.[0]?.message
  // an upstream's word, not checked
  if (completion === null || typeof message !== 'object' || message === null)
    return {
      text: errorMessageIn(text) ?? text,
      model: null,
      promptTokens: null,
      answerTokens: null,
    }
  const { content, tool_calls: calls } = message
  const { model, usage } = completion
  const counts = usage && tokenCounts(usage)
  return {
    text: typeof content === 'string' ? content : JSON.stringify(calls ?? content ?? null),
    model: typeof model === 'string' ? model : null,
    promptTokens: counts?.input ?? null,
    answerTokens: counts?.output ?? null,
  }
}

const triedOf = (answer: ProxyAnswer, ms: number): Tried => {
  const { headers, status } = answer
  const confidence = headers['x-promptintern-confidence']
  return {
    ...readAnswer(answer),
    status,
    ms,
    route: headers['x-promptintern-route'] ?? null,
    reason: headers['x-promptintern-reason'] ?? null,
    confidence: confidence === undefined ? null : Math.exp(Number(confidence)),
  }
}

/** A header takes no other characters, and an error about one would repeat them. */
const KEY = /^[\x21-\x7e]{1,1000}$/

/** Neither exchange is logged. @throws AppError `invalid-request` for a key that is none, or that another upstream would get */
export const askBoth = async (
  { askProxy, hasOwnUpstream, now }: Pick<AdminDeps, 'askProxy' | 'hasOwnUpstream' | 'now'>,
  { model, body }: { model: string; body: string },
  key: string
): Promise<[route: Tried, upstream: Tried]> => {
  if (!KEY.test(key)) throw new AppError('invalid-request', 'enter the API key of your application')
  if (hasOwnUpstream(model))
    throw new AppError(
      'invalid-request',
      'nothing was sent: the model has an upstream of its own in UPSTREAMS_FILE, but a request that bypasses the ' +
        'routes goes to UPSTREAM_BASE_URL, which would get your key'
    )
  const headers = { authorization: `Bearer ${key}`, 'x-promptintern-capture': 'false' }
  const ask = async (more: Record<string, string>): Promise<Tried> => {
    const begun = now()
    try {
      return triedOf(await askProxy(body, { ...headers, ...more }), now() - begun)
    } catch (error) {
      throw new AppError('upstream-unavailable', 'no answer came within two minutes', {
        cause: error,
      })
    }
  }
  return Promise.all([ask({}), ask({ 'x-promptintern-bypass': 'true' })])
}
