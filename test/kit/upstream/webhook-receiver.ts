/** A receiver of webhooks on a loopback port, which verifies nothing and keeps all that it gets. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { WebhookEvent } from '../../../src/worker/webhook/event.ts'

/** Both are secrets, which no log may contain. */
export const SECRET_PATH = 'path-of-the-webhook'
export const SECRET_QUERY = 'query-of-the-webhook'
export const WEBHOOK_KEY = Buffer.from('a key of thirty-two bytes length')
export const WEBHOOK_SECRET = `whsec_${WEBHOOK_KEY.toString('base64')}`

export interface Received {
  method: string
  url: string
  headers: Record<string, string>
  body: string
  event: Pick<WebhookEvent, 'type' | 'data'> & { timestamp: string }
}

/** A status, or all of the answer; null: the receiver never answers. */
type Answer = number | ((response: ServerResponse) => void) | null

/** By the specification's words: the bytes on the wire, without the code under test. */
export const isSigned = ({ headers, body }: Received): boolean => {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const mac = createHmac('sha256', WEBHOOK_KEY).update(Buffer.from(signed)).digest('base64')
  return headers['webhook-signature'] === `v1,${mac}`
}

export class WebhookReceiver {
  readonly received: Received[] = []
  /** of the requests that follow */
  answer: Answer = 204
  readonly host: string

  private constructor(private readonly server: Server) {
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(): Promise<WebhookReceiver> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const receiver = new WebhookReceiver(server)
    server.on('request', (request, response) => void receiver.take(request, response))
    return receiver
  }

  get url(): string {
    return `http://${this.host}/${SECRET_PATH}?token=${SECRET_QUERY}`
  }

  get types(): string[] {
    return this.received.map(({ event }) => event.type)
  }

  get ids(): string[] {
    return this.received.map(({ headers }) => headers['webhook-id']!)
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await buffer(request)).toString()
    const { method = '', url = '' } = request
    const headers = request.headers as Record<string, string>
    this.received.push({ method, url, headers, body, event: JSON.parse(body) })
    if (typeof this.answer === 'number') response.writeHead(this.answer).end('thanks')
    else this.answer?.(response)
  }
}
