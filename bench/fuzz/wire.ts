/** Sends one case and reads its answer. */
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import type { Case } from './cases.ts'

export interface Outcome {
  /** null: the connection ended without an answer */
  status: number | null
  /** whether the lora's answer was given */
  isLora: boolean
  /** the proxy's own fault */
  isInternalError: boolean
  /** it took longer than `ANSWER_MS` */
  isLate: boolean
}

/** Of another network than the one that reads the metrics, which would wait for the cases' wrong admin tokens. */
const LOCAL_ADDRESS = '127.0.0.2'
/** No case takes the upstream longer than a second. */
const ANSWER_MS = 30_000
/** Enough for an error; the rest of an answer is read and dropped. */
const KEPT_BYTES = 2000

const LATE: Outcome = { status: null, isLora: false, isInternalError: false, isLate: true }
const BROKEN: Outcome = { ...LATE, isLate: false }

const outcomeOf = (status: number, route: unknown, text: string): Outcome => ({
  status,
  isLora: route === 'answered',
  isInternalError: status === 500 && text.includes('"internal_error"'),
  isLate: false,
})

const sendRequest = ({ method, path, headers, body }: Case, port: number, agent: Agent) =>
  new Promise<Outcome>((resolve) => {
    const sent = request({
      host: '127.0.0.1',
      localAddress: LOCAL_ADDRESS,
      port,
      agent,
      method,
      path,
      headers: { ...headers, 'content-length': body.length },
    })
    const timer = setTimeout(() => {
      resolve(LATE)
      sent.destroy()
    }, ANSWER_MS)
    const end = (outcome: Outcome): void => {
      clearTimeout(timer)
      resolve(outcome)
    }
    sent.on('response', (response) => {
      let text = ''
      response.on('data', (piece: Buffer) => {
        if (text.length < KEPT_BYTES) text += piece.toString('latin1')
      })
      response.on('error', () => {})
      response.on('close', () =>
        end(outcomeOf(response.statusCode!, response.headers['x-promptintern-route'], text))
      )
    })
    sent.on('error', () => end(BROKEN))
    sent.end(body)
  })

const sendBytes = (bytes: Buffer, port: number): Promise<Outcome> =>
  new Promise((resolve) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', localAddress: LOCAL_ADDRESS, port })
    const timer = setTimeout(() => {
      resolve(LATE)
      socket.destroy()
    }, ANSWER_MS)
    socket.on('data', (piece) => {
      if (text.length < KEPT_BYTES) text += piece.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
      resolve(outcomeOf(status || 0, undefined, text))
    })
    // a request of which the end is missing is over then
    socket.end(bytes)
  })

/** A case as a client sends it. */
export const createSender = (port: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  return {
    send: (one: Case): Promise<Outcome> =>
      one.raw === null ? sendRequest(one, port, agent) : sendBytes(one.raw, port),
    close: (): void => agent.destroy(),
  }
}

export type Sender = ReturnType<typeof createSender>
