/** Asks the upstream for a WebSocket, and joins the client to it. */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../errors.ts'
import type { Client } from '../client/client.ts'
import type { StepDeps } from '../deps.ts'
import { BYPASS_HEADER, headersForSwitch } from '../headers.ts'
import type { Passage } from '../upstream/upstream-answer.ts'
import { accepts, type HandshakeRequest, type PendingSocket } from './handshake.ts'
import { Tunnel } from './tunnel.ts'

const invalidHandshake = (): AppError =>
  new AppError(
    'invalid-request',
    'the WebSocket handshake is not valid: it must be a GET of HTTP/1.1 without a body, with a host, ' +
      '`connection: Upgrade` and a sec-websocket-key of 16 bytes, and no earlier request of its connection may be ' +
      'unanswered; a proxy in between may have removed a header'
  )

const notAccepted = (): Error =>
  new Error('the upstream answered 101 without the sec-websocket-accept of the handshake')

/**
 * The model in the address, which chooses the upstream; '' for none, for several, of which another reader may take
 * another one, and for a request that bypasses such choices.
 */
const modelOf = ({ url = '', headers }: IncomingMessage): string => {
  if (headers[BYPASS_HEADER] === 'true') return ''
  const at = url.indexOf('?')
  const [model = '', ...further] = at < 0 ? [] : new URLSearchParams(url.slice(at)).getAll('model')
  return further.length === 0 ? model : ''
}

type JoinDeps = Pick<StepDeps, 'access' | 'limits' | 'now' | 'setTimer'>

/** Whether the caller's key may still open such a connection. */
const keyCheck =
  ({ access }: JoinDeps, incoming: IncomingMessage) =>
  (): boolean => {
    try {
      return access?.callerOf(incoming).isReadFirst !== true
    } catch {
      return false
    }
  }

/** Tells the client, and joins it to the connection. */
const join =
  (
    deps: JoinDeps,
    incoming: IncomingMessage,
    client: Client,
    pending: PendingSocket
  ): NonNullable<Passage['upgrade']> =>
  (raw, upstream, added, onEnd) => {
    if (!accepts(raw, incoming.headers['sec-websocket-key'] ?? '')) return notAccepted()
    const { outgoing } = client
    outgoing.sendDate = false
    outgoing.writeHead(101, headersForSwitch(raw, added))
    outgoing.flushHeaders()
    const tunnel = new Tunnel({
      client: pending.socket,
      // of undici, which gives the connection away
      upstream: upstream as Socket,
      idleMs: deps.limits.upstreamTimeoutMs,
      mayGoOn: keyCheck(deps, incoming),
      now: deps.now,
      setTimer: deps.setTimer,
      onEnd,
    })
    client.onGone(() => {})
    pending.onGoodbye(() => tunnel.leave(1001))
    tunnel.start(pending.take())
    return null
  }

export type OpenWebSocket = ReturnType<typeof createOpenWebSocket>

/**
 * Asks the upstream of the model in the address, or the standard one, for an admitted request. Where it refuses,
 * the client gets its answer.
 */
export const createOpenWebSocket =
  (deps: JoinDeps & Pick<StepDeps, 'upstreams' | 'upstreamApiKey'>) =>
  (incoming: HandshakeRequest, client: Client, pending: PendingSocket): void => {
    const passage = {
      incoming,
      body: null,
      upgrade: join(deps, incoming, client, pending),
      client,
      apiKey: deps.upstreamApiKey,
    }
    const model = modelOf(incoming)
    if (model === '') deps.upstreams.pass(passage)
    else deps.upstreams.ask(passage, model)
  }

/** The connection of a valid handshake. @throws AppError `invalid-request` */
export const pendingOf = (incoming: HandshakeRequest): PendingSocket => {
  if (incoming.pending === undefined) throw invalidHandshake()
  return incoming.pending
}
