/** A plain balancer: each request to the next address, its answer as it comes, 502 where there is none. */
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Balancer {
  baseUrl: string
  close(): void
}

export const startBalancer = async (ports: readonly number[]): Promise<Balancer> => {
  let turn = 0
  const server = createServer((incoming, response) => {
    const { method = 'GET', url: path = '/', headers } = incoming
    const port = ports[turn++ % ports.length]!
    const forwarded = httpRequest({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.on('error', () => response.destroy()).pipe(response)
    })
    forwarded.on('error', () => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
    response.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
