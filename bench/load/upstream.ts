/**
 * The upstream of the proxy benchmark. A request's `x-bench-answer` says how it is answered, in the
 * form of a query: `chunks` and `everyMs` stream, `bytes` is the size of an answer that does not,
 * `delayMs` waits before it, `hold` waits until so many requests are held. Without it: the usual
 * answer at once.
 */
import { createServer, type Server, type ServerResponse } from 'node:http'
import { UPSTREAM_ANSWER, UPSTREAM_HEADERS } from './traffic.ts'

/** Digits of the time in a chunk, so that all chunks have one length. */
const TIME_DIGITS = 20
const LONGEST_HOLD_MS = 60_000

/** Nanoseconds of the machine's monotonic clock, which all processes share. */
const nowDigits = (): string => process.hrtime.bigint().toString().padStart(TIME_DIGITS, '0')

const chunk = (): string =>
  `data: {"id":"chatcmpl-abc123abc123abc123abc123abc1","object":"chat.completion.chunk","created":1760000000,` +
  `"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789",` +
  `"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],` +
  `"at":"${nowDigits()}"}\n\n`

const stream = (response: ServerResponse, chunks: number, everyMs: number): void => {
  response.writeHead(200, {
    ...UPSTREAM_HEADERS,
    'content-type': 'text/event-stream; charset=utf-8',
  })
  let sent = 0
  const send = (): void => {
    // waits for a slow reader
    if (response.writableNeedDrain) return
    response.write(chunk())
    if (++sent < chunks) return
    clearInterval(timer)
    response.end('data: [DONE]\n\n')
  }
  const timer = setInterval(send, everyMs)
  response.on('close', () => clearInterval(timer))
  send()
}

const whole = (response: ServerResponse, bytes: number): void => {
  const body =
    bytes <= UPSTREAM_ANSWER.length
      ? UPSTREAM_ANSWER
      : Buffer.concat([UPSTREAM_ANSWER, Buffer.alloc(bytes - UPSTREAM_ANSWER.length, ' ')])
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  response.writeHead(200, { ...headers, ...UPSTREAM_HEADERS }).end(body)
}

const createHolds = () => {
  let held: (() => void)[] = []
  const release = (): void => {
    for (const answer of held.splice(0)) answer()
  }
  return {
    add(count: number, answer: () => void): void {
      if (held.length === 0) setTimeout(release, LONGEST_HOLD_MS).unref()
      held.push(answer)
      if (held.length >= count) release()
    },
    remove: (answer: () => void): void => {
      held = held.filter((other) => other !== answer)
    },
  }
}

export const createUpstream = (): Server => {
  const holds = createHolds()
  const answer = (response: ServerResponse, script: URLSearchParams): void => {
    const number = (name: string): number => Number(script.get(name) ?? 0)
    const respond = (): void => {
      if (response.destroyed) return
      if (script.has('chunks')) stream(response, number('chunks'), number('everyMs'))
      else whole(response, number('bytes'))
    }
    if (script.has('hold')) {
      holds.add(number('hold'), respond)
      response.on('close', () => holds.remove(respond))
    } else if (script.has('delayMs')) setTimeout(respond, number('delayMs'))
    else respond()
  }
  return createServer((incoming, response) => {
    incoming.resume()
    incoming.on('end', () => {
      const script = incoming.headers['x-bench-answer']
      if (typeof script === 'string') answer(response, new URLSearchParams(script))
      else whole(response, 0)
    })
  })
}
