/** A server with its worker and the fake engine, before an upstream that reads every byte, and a client's requests. */
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll } from 'vitest'
import type { ProxyProcess } from '../process/proxy-process.ts'
import { runCli, startServer } from '../process/built.ts'
import { untilState } from '../process/internalizations.ts'
import { loopSettings } from '../process/loop-settings.ts'
import { chatBody } from '../upstream/chat-upstream.ts'
import { inTens } from '../traffic/lanes.ts'
import { sharedFolder } from '../temporary-folder.ts'

export const ATTEMPTS = 12

/** What the upstream got, as bytes. */
export interface Got {
  url: string
  headers: IncomingHttpHeaders
  body: Buffer
}

/** What a client sends. */
export interface Sent {
  body: string | Buffer
  path?: string
  headers?: Record<string, string>
}

interface Asked {
  status: number
  route: string | null
  reason: string | null
  answer: string
}

const chatAnswer = (answer: string | object): string =>
  chatBody(
    typeof answer === 'string'
      ? { message: { role: 'assistant', content: answer }, finish_reason: 'stop' }
      : answer
  )

const responsesAnswer = (answer: string): string =>
  JSON.stringify({
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    status: 'completed',
    model: 'gpt-4o-mini',
    output: [
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: answer, annotations: [] }],
      },
    ],
    usage: { input_tokens: 90, output_tokens: 2, total_tokens: 92 },
  })

export class Scene {
  proxy!: ProxyProcess
  env!: Record<string, string>
  private server!: Server
  private readonly dataDir = sharedFolder()

  /** Of the file or block that makes it: it is closed after its tests. */
  constructor(private readonly answerTo: (got: Got) => string | object) {
    afterAll(() => this.close())
  }

  async start(env: Record<string, string> = {}): Promise<void> {
    this.server = createServer((incoming, response) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const { method, url = '', headers } = incoming
        response.setHeader('content-type', 'application/json')
        // the worker asks for the list of models
        if (method === 'GET') return void response.end('{"object":"list","data":[]}')
        const answer = this.answerTo({ url, headers, body: Buffer.concat(chunks) })
        if (typeof answer === 'object' && 'error' in answer) {
          response.statusCode = 429
          response.end(JSON.stringify(answer))
          return
        }
        response.end(
          url.includes('/responses') ? responsesAnswer(answer as string) : chatAnswer(answer)
        )
      })
    })
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    const { port } = this.server.address() as AddressInfo
    this.env = {
      ...loopSettings({ promotes: true }),
      DATA_DIR: this.dataDir,
      UPSTREAM_BASE_URL: `http://127.0.0.1:${port}/v1`,
      ...env,
    }
    this.proxy = await startServer(this.env)
  }

  private async close(): Promise<void> {
    await this.proxy?.stop()
    this.server?.close()
  }

  /** With node:http, because `fetch` changes some headers. */
  ask({ body, path = '/v1/chat/completions', headers = {} }: Sent): Promise<Asked> {
    const bytes = Buffer.from(body as string)
    return new Promise((resolve, reject) => {
      const call = httpRequest(
        `${this.proxy.baseUrl}${path}`,
        {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            authorization: 'Bearer client-key',
            'content-length': String(bytes.length),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            const header = (name: string): string | null =>
              (response.headers[name] as string | undefined) ?? null
            let answer = text
            try {
              const read = JSON.parse(text) as {
                choices?: { message: { content: string | null; tool_calls?: unknown } }[]
                output?: { content: { text: string }[] }[]
              }
              const message = read.choices?.[0]?.message
              answer =
                message?.content ??
                (message === undefined
                  ? (read.output?.[0]?.content?.[0]?.text ?? JSON.stringify(read.output ?? read))
                  : JSON.stringify(message.tool_calls))
            } catch {
              // an error page
            }
            resolve({
              status: response.statusCode ?? 0,
              route: header('x-promptintern-route'),
              reason: header('x-promptintern-reason'),
              answer,
            })
          })
        }
      )
      call.on('error', reject)
      call.end(bytes)
    })
  }

  async many(count: number, one: (number: number) => Sent): Promise<void> {
    await inTens(count, (number) => this.ask(one(number)))
  }

  async untilLive(one: (number: number) => Sent): Promise<void> {
    const deadline = Date.now() + 60_000
    await untilState(this.proxy, 'live')
    for (let number = 0; ; number++) {
      const asked = await this.ask(one(number % 300))
      if (asked.route === 'answered') return
      if (Date.now() > deadline) throw new Error(`not answered: ${JSON.stringify(asked)}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Traffic until a route answers it. */
  async learn(one: (number: number) => Sent): Promise<void> {
    await this.many(300, one)
    await this.untilLive(one)
  }

  /** Before the tests: a server with these settings, and a route that answers the traffic. */
  useLive(one: (number: number) => Sent, env: Record<string, string> = {}): void {
    beforeAll(async () => {
      await this.start(env)
      await this.learn(one)
    })
  }

  /** Answers of the lora among the attempts. */
  async answered(one: (number: number) => Sent): Promise<{ lora: number; answers: string[] }> {
    let lora = 0
    const answers: string[] = []
    for (let number = 0; number < ATTEMPTS; number++) {
      const asked = await this.ask(one(number))
      if (asked.route === 'answered') lora++
      answers.push(asked.answer)
    }
    return { lora, answers }
  }
}

/** The colour of the last text that names one. */
export const colourIn = (text: string): string =>
  [...text.matchAll(/tins of (\w+) paint/gu)].at(-1)?.[1] ?? 'no order'

export const reading = (body: Buffer): { messages: { role: string; content: string }[] } =>
  JSON.parse(body.toString()) as { messages: { role: string; content: string }[] }

/** A scene with keys of one tenant. */
export const inTenant = (answerTo: (got: Got) => string) => {
  const scene = new Scene(answerTo)
  const keyOf = async (name: string): Promise<Record<string, string>> => {
    const words = ['keys', 'create', '--name', name, '--tenant', 'team', '--json']
    const { secret } = JSON.parse(await runCli(scene.env, ...words)) as { secret: string }
    const headers = { authorization: `Bearer ${secret}` }
    for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
      if ((await scene.ask({ body: '{}', headers })).status !== 401) break
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    return headers
  }
  return { scene, keyOf }
}
