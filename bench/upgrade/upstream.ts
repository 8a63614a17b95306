/** An upstream that answers at once or by a stream of some seconds, and counts how often each request came. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const ANSWER_MS = 30
const CHUNKS = 20
const CHUNK_MS = 60

export interface CountingUpstream {
  /** with the API's version */
  baseUrl: string
  /** requests that came more than once */
  repeated: () => number
  close: () => void
}

interface Asked {
  stream?: boolean
  messages: { content: string }[]
}

const chunkOf = (text: string): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [{ index: 0, delta: { content: text }, finish_reason: null }],
  })}\n\n`

const plain = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'blue' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 90, completion_tokens: 1, total_tokens: 91 },
})

export const startUpstream = async (): Promise<CountingUpstream> => {
  const counts = new Map<string, number>()
  const server = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', async () => {
      // the server asks for the list of models by itself
      if (incoming.method === 'GET') return void response.end('{"object":"list","data":[]}')
      const { stream, messages } = JSON.parse(body) as Asked
      const id = messages.at(-1)!.content
      counts.set(id, (counts.get(id) ?? 0) + 1)
      await delay(ANSWER_MS)
      if (stream !== true) {
        response.setHeader('content-type', 'application/json')
        response.end(plain)
        return
      }
      response.setHeader('content-type', 'text/event-stream')
      for (let chunk = 0; chunk < CHUNKS; chunk++) {
        response.write(chunkOf(`word ${chunk} `))
        await delay(CHUNK_MS)
      }
      response.end('data: [DONE]\n\n')
    })
  })
  // it never closes a connection that a proxy may be using
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    repeated: () => [...counts.values()].filter((count) => count > 1).length,
    close: () => server.close(),
  }
}
