/** Faults of the whole process: uncaught errors, an unwritable log, the shutdown. */
import { fork } from 'node:child_process'
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { CLI } from '../kit/process/built.ts'
import { completion } from '../kit/records/completion.ts'
import {
  AUTHORIZATION,
  CHAT_PATH,
  chatBody,
  eventually,
  respondJson,
  send,
  startUpstream,
  type FakeUpstream,
} from '../kit/proxy/harness.ts'
import {
  spawnServer,
  startServerProcess,
  type ServerProcess,
} from '../kit/process/server-process.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

/** At SIGUSR2: an unhandled rejection, an uncaught error, an `error` event without a listener. */
const FAULTS = `
import { EventEmitter } from 'node:events'
process.on('SIGUSR2', () => {
  Promise.reject(new Error('rejected without a handler'))
  setTimeout(() => { throw new Error('thrown without a catch') })
  setTimeout(() => new EventEmitter().emit('error', new Error('an event without a listener')))
})`

let upstream: FakeUpstream
let server: ServerProcess | null = null

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
afterEach(async () => {
  await server?.remove()
  server = null
  upstream.respond = respondJson(completion('from the upstream'))
})

const start = async (...[env, options]: Partial<Parameters<typeof startServerProcess>>) =>
  (server = await startServerProcess({ UPSTREAM_BASE_URL: upstream.url, ...env }, options))

describe('an uncaught error', () => {
  it('is logged and counted, and the server still runs', async () => {
    const { port, child, metrics, log, exit } = await start({}, { before: FAULTS })
    for (const times of [1, 2]) {
      child.kill('SIGUSR2')
      await eventually(async () =>
        (await metrics()).includes(`promptintern_faults_total{kind="uncaught"} ${times * 3}\n`)
      )
    }
    expect((await send(port, chatBody('hi'))).status).toBe(200)
    expect(child.exitCode).toBeNull()
    await eventually(() =>
      ['rejected without a handler', 'thrown without a catch', 'an event without a listener'].every(
        (text) => log().includes(text)
      )
    )
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })

  it('during the start ends the server with code 1', async () => {
    const before = `setImmediate(() => Promise.reject(new Error('too early')))`
    server = await spawnServer({}, { before })
    expect(await server.exit).toBe(1)
    expect(server.log()).toContain('too early')
  })
})

describe('a server that cannot start', () => {
  it('reports the reason and ends with code 2: its port is in use', async () => {
    server = await spawnServer({ PORT: new URL(upstream.url).port })
    expect(await server.exit).toBe(2)
    expect(server.log()).toContain('cannot listen on')
  })

  it('reports the reason and ends with code 2: its upstreams file is invalid or missing', async () => {
    const folder = ownFolder()
    const file = join(folder, 'upstreams.json')
    server = await spawnServer({ UPSTREAMS_FILE: file })
    expect(await server.exit).toBe(2)
    expect(server.log()).toContain(`UPSTREAMS_FILE: ${file} cannot be read`)
    await server.remove()
    writeFileSync(file, '[{ "name": "default" }]')
    server = await spawnServer({ UPSTREAMS_FILE: file })
    expect(await server.exit).toBe(2)
    expect(server.log()).toMatch(/entry 0.baseUrl[^]*entry 0.models/)
  })
})

describe('a server with an upstreams file', () => {
  it('chooses an upstream by model name, with keys of the environment, and a stand-in', async () => {
    const folder = ownFolder()
    const file = join(folder, 'upstreams.json')
    const entries = [
      { name: 'away', baseUrl: 'http://127.0.0.1:1', models: ['gpt-4o*'], fallback: ['here'] },
      { name: 'here', baseUrl: upstream.url, apiKeyEnv: 'HERE_KEY', models: ['here-1'] },
    ]
    writeFileSync(file, JSON.stringify(entries))
    const { port, metrics } = await start({ UPSTREAMS_FILE: file, HERE_KEY: 'sk-here' })
    upstream.requests.length = 0
    const byModel = async (model: string) =>
      (await send(port, chatBody('hi', { model }))).headers['x-promptintern-upstream']
    expect(await byModel('gpt-4o-mini')).toBe('here')
    expect(await byModel('here-1')).toBe('here')
    expect(await byModel('gpt-3')).toBe('default')
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk-here',
      'Bearer sk-here',
      AUTHORIZATION,
    ])
    expect(await metrics()).toContain(
      'promptintern_upstream_failovers_total{upstream="away",reason="not-connected"} 1'
    )
  })
})

describe('a log that cannot be written', () => {
  it.skipIf(!existsSync('/dev/full'))('does not stop the server (needs /dev/full)', async () => {
    const full = openSync('/dev/full', 'w')
    const { port, child, metrics, exit } = await start(
      { LOG_LEVEL: 'debug' },
      { stderr: full, before: FAULTS }
    )
    closeSync(full)
    child.kill('SIGUSR2')
    await eventually(async () =>
      (await metrics()).includes('promptintern_faults_total{kind="uncaught"} 3\n')
    )
    expect((await send(port, chatBody('hi'))).status).toBe(200)
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })
})

describe('a worker whose server is gone', () => {
  it('ends, also when that was before it had opened the store', async () => {
    const dataDir = ownFolder()
    const child = fork(CLI, ['worker'], {
      env: { ...process.env, DATA_DIR: dataDir, ENGINE: 'none' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const exit = new Promise((resolve) => child.once('exit', resolve))
    child.disconnect()
    expect(await exit).toBe(0)
  })
})

describe('SIGTERM', () => {
  it('lets a stream finish, reports the drain, and ends with code 0', async () => {
    const { port, child, exit } = await start({})
    const streams: ServerResponse[] = []
    upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      streams.push(response)
    }
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(`POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}`)
    await eventually(() => text.includes('data: 1'))
    child.kill('SIGTERM')
    await eventually(() =>
      send(port, null, { method: 'GET', path: '/healthz' }).then(
        () => false,
        () => true
      )
    )
    socket.write('GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n')
    expect(child.exitCode).toBeNull()
    streams[0]!.end('data: [DONE]\n\n')
    await closed
    expect(text).toMatch(
      /data: 1\n\n[^]*data: \[DONE\]\n\n[^]*HTTP\/1.1 503 [^]*connection: close[^]*"draining"/i
    )
    expect(await exit).toBe(0)
  })

  it('receives and answers an upload that has begun, and ends with code 0', async () => {
    const { port, child, exit, log } = await start({})
    const body = chatBody('x'.repeat(300_000))
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(
      `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n`
    )
    socket.write(body.slice(0, 100_000))
    await send(port, null, { method: 'GET', path: '/healthz' })
    child.kill('SIGTERM')
    await eventually(() => log().includes('draining'))
    socket.write(body.slice(100_000))
    await closed
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*connection: close[^]*from the upstream/i)
    expect(upstream.bodies().at(-1)).toBe(body)
    expect(await exit).toBe(0)
  })

  it('ends the server within DRAIN_SECONDS, also with open requests', async () => {
    const { port, child, exit } = await start({ DRAIN_SECONDS: '0.2' })
    upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    }
    const streaming = send(port, chatBody('hi', { stream: true }), {
      onData: () => child.kill('SIGTERM'),
    })
    expect((await streaming).complete).toBe(false)
    expect(await exit).toBe(0)
  })
})
