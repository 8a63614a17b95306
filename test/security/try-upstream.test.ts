/** What a hostile upstream answers to a question of the page, which the server asks itself. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { askOwn } from '../../src/server/ask-own.ts'

const servers: Server[] = []

const listen = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

it.each([302, 307])(
  'is not followed elsewhere after %i: the question would go there',
  async (status) => {
    const visits: string[] = []
    const elsewhere = await listen((incoming, outgoing) => {
      visits.push(`${incoming.method} ${incoming.url}`)
      outgoing.end('of the network behind the server')
    })
    const own = await listen((_incoming, outgoing) => {
      outgoing.writeHead(status, { location: `${elsewhere}/metadata` }).end('moved')
    })
    const answer = await askOwn(fetch, () => own)('{"messages":[]}', {})
    expect(answer).toMatchObject({ status, text: 'moved' })
    expect(visits).toEqual([])
  }
)

it('is cut after a MiB, also of one that never ends', async () => {
  const own = await listen((_incoming, outgoing) => {
    const more = (): void => void outgoing.write('x'.repeat(2 ** 16), more)
    more()
  })
  const { text } = await askOwn(fetch, () => own)('{}', {})
  expect(text.length).toBeLessThan(2 ** 21)
})
