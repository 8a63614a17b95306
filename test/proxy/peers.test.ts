/** Behaviour that users of other gateways often miss, where no other file tests it. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  onDemand,
  respondEvents,
  respondJson,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'

let harness: Harness

beforeEach(async () => {
  // nginx sends the name in proxy_pass, unless told otherwise
  harness = await startHarness({}, { allowedHosts: ['backend'] })
})
afterEach(() => harness.close())

describe('a stream', () => {
  it('is never buffered: each piece is with the client before the next is made', async () => {
    const pieces = ['data: 1\n\n', 'data', ': 2\n\n', 'data: [DONE]\n\n']
    let received = ''
    harness.upstream.respond = async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      let sent = ''
      for (const piece of pieces) {
        response.write(piece)
        sent += piece
        await eventually(() => received === sent)
      }
      response.end()
    }
    const answer = await harness.send(chatBody('hi', { stream: true }), {
      onRequest: (request) =>
        request.on('response', (response) =>
          response.on('data', (chunk: Buffer) => (received += chunk.toString()))
        ),
    })
    expect([answer.text, answer.complete]).toEqual([pieces.join(''), true])
  })

  it('gets no comments unless they are asked for', async () => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      setTimeout(() => response.end('data: [DONE]\n\n'), 200)
    }
    const answer = await harness.send(chatBody('hi', { stream: true }))
    expect(answer.text).toBe('data: 1\n\ndata: [DONE]\n\n')
  })
})

describe('an error of the upstream', () => {
  it.each([400, 401, 429, 500, 503, 529])(
    'is asked for once and logged with its status: %i',
    async (status) => {
      harness.upstream.respond = respondJson({ error: {} }, status, { 'retry-after': '7' })
      for (const stream of [false, true]) {
        const answer = await harness.send(chatBody('hi', { stream }))
        expect([answer.status, answer.headers['retry-after']]).toEqual([status, '7'])
      }
      const records = await harness.records()
      expect(records.map((record) => [record.status, record.usage])).toEqual([
        [status, null],
        [status, null],
      ])
      expect(harness.upstream.requests).toHaveLength(2)
    }
  )
})

describe('load', () => {
  const MANY = 300

  it('hundreds of requests are all with the upstream before one is answered', async () => {
    const { respond, answer, waiting } = onDemand({ ok: true })
    harness.upstream.respond = respond
    const asking = Array.from({ length: MANY }, (_, i) => harness.send(chatBody(`${i}`)))
    await eventually(() => waiting() === MANY)
    for (let i = 0; i < MANY; i++) answer()
    expect((await Promise.all(asking)).every(({ status }) => status === 200)).toBe(true)
    expect(await harness.records()).toHaveLength(MANY)
  })
})

const converse = async (request: string): Promise<string> => {
  const client = harness.open(request)
  await new Promise((resolve) => client.socket.once('close', resolve))
  return client.text
}
const post = (body: string): string =>
  [
    `POST ${CHAT_PATH} HTTP/1.0`,
    'Host: backend',
    'X-Real-IP: 10.0.0.1',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Proto: https',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n')

describe('behind nginx, which speaks HTTP/1.0 unless told otherwise', () => {
  it('a stream comes without chunks and ends with its connection', async () => {
    harness.upstream.respond = respondEvents('data: 1\n\ndata: [DONE]\n\n')
    const body = chatBody('hi', { stream: true })
    const [head, ...rest] = (await converse(post(body))).split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(head).not.toMatch(/transfer-encoding/i)
    expect(rest.join('\r\n\r\n')).toBe('data: 1\n\ndata: [DONE]\n\n')
    const [request] = harness.upstream.requests
    expect(request?.body.toString()).toBe(body)
    expect(request?.headers).toMatchObject({
      'content-length': String(body.length),
      'x-forwarded-for': '10.0.0.1',
    })
    expect(request?.headers['transfer-encoding']).toBeUndefined()
  })

  it('an answer keeps its length, and only one', async () => {
    harness.upstream.respond = (request, response) => {
      const length = JSON.stringify({ ok: true }).length
      respondJson({ ok: true }, 200, { 'content-length': length })(request, response)
    }
    const [head, body] = (await converse(post(chatBody('hi')))).split('\r\n\r\n')
    expect(head!.match(/content-length: \d+/gi)).toEqual(['content-length: 11'])
    expect(body).toBe('{"ok":true}')
  })
})

interface Package {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}
interface Lock {
  packages: Record<string, Partial<Package> & { version?: string; integrity?: string }>
}
const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')) as T

describe('dependencies', () => {
  it('are pinned to a version each, the same that is locked', () => {
    const { dependencies, devDependencies } = read<Package>('package.json')
    const wanted = Object.entries({ ...dependencies, ...devDependencies })
    expect(wanted.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
    const { packages } = read<Lock>('package-lock.json')
    const locked = wanted.map(([name]) => [name, packages[`node_modules/${name}`]?.version])
    expect(locked).toEqual(wanted)
  })

  it('on which requests run are locked with their contents', () => {
    const { packages } = read<Lock>('package-lock.json')
    for (const name of ['hono', '@hono/node-server', 'undici'])
      expect(packages[`node_modules/${name}`]?.integrity).toMatch(/^sha512-/)
  })
})
