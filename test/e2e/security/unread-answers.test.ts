/** Peers without a key that send requests and do not read the answers. */
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Load } from '../../../src/proxy/client/load.ts'
import { startServerProcess, type ServerProcess } from '../../kit/process/server-process.ts'
import {
  eventually,
  respondJson,
  send,
  startHarness,
  type Harness,
} from '../../kit/proxy/harness.ts'

const sockets: Socket[] = []
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const close of closing.splice(0)) await close()
})

/** A peer that sends and never reads. */
const deaf = (port: number, bytes: string): Socket => {
  const socket = connect(port, '127.0.0.1').pause()
  socket.on('error', () => {}).write(bytes)
  sockets.push(socket)
  return socket
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`

/** More than the system's buffers of a connection take. */
const LARGE = Buffer.alloc(32 * 2 ** 20, 'x')
const PLACES = 4

const openHarness = async (options: Parameters<typeof startHarness>[1]): Promise<Harness> => {
  const load = new Load({ maxInFlight: PLACES, maxDelayMs: 0 })
  const harness = await startHarness({ load }, { isCrowded: () => load.isCrowded, ...options })
  closing.push(() => harness.close())
  return harness
}

const isServed = async (harness: Harness): Promise<boolean> =>
  (await send(harness.port, null, { method: 'GET', path: '/v1/models' })).status === 200

it('requests that one connection sends at once hold one place', async () => {
  const harness = await openHarness({})
  harness.upstream.respond = () => {}
  deaf(harness.port, get('/v1/models').repeat(60))
  await eventually(() => harness.upstream.requests.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(harness.deps.load.inFlight).toBe(1)
})

it('a connection that sends hundreds of requests at once is closed', async () => {
  const harness = await openHarness({})
  harness.upstream.respond = () => {}
  const socket = deaf(harness.port, get('/v1/models').repeat(900))
  await eventually(() => socket.resume().destroyed)
  await eventually(() => harness.deps.load.inFlight === 0)
})

it('peers that fill all places and read nothing lose them to others', async () => {
  const harness = await openHarness({ unreadMs: 2400 })
  harness.upstream.respond = (_request, response) => response.end(LARGE)
  for (let i = 0; i < PLACES; i++) deaf(harness.port, get('/v1/models'))
  await eventually(() => harness.upstream.requests.length === PLACES)
  harness.upstream.respond = respondJson('short')
  expect(await isServed(harness)).toBe(false)
  await eventually(() => isServed(harness))
})

it('a peer that stops to read is disconnected, and one that reads slowly is not', async () => {
  const harness = await openHarness({ unreadMs: 240 })
  harness.upstream.respond = (_request, response) => response.end(LARGE)
  const slow = deaf(harness.port, get('/v1/models'))
  const reading = setInterval(() => slow.read(200_000), 10)
  closing.push(() => clearInterval(reading))
  const silent = deaf(harness.port, get('/v1/models'))
  await eventually(() => harness.deps.load.inFlight === 2)
  await eventually(() => harness.deps.load.inFlight === 1)
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(harness.deps.load.inFlight).toBe(1)
  expect(slow.destroyed).toBe(false)
  await eventually(() => silent.resume().destroyed)
})

const STATUS = (pid: number | 'self'): string => `/proc/${pid}/status`
/** Of its peak. */
const residentMiB = ({ child }: ServerProcess): number =>
  Number(/VmHWM:\s*(\d+)/.exec(readFileSync(STATUS(child.pid!), 'utf8'))![1]) / 1024

it.skipIf(!existsSync(STATUS('self')))(
  'files of the page that are asked for and not read take no memory',
  async () => {
    const server = await startServerProcess({
      ENGINE: 'none',
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1',
    })
    closing.push(() => server.remove())
    const page = await fetch(`http://127.0.0.1:${server.port}/admin/sign-in`)
    const asset = /\/admin\/assets\/[^"]+htmx\.js/.exec(await page.text())![0]
    const before = residentMiB(server)
    for (let i = 0; i < 14; i++) deaf(server.port, get(asset).repeat(800))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await fetch(`http://127.0.0.1:${server.port}/healthz`)
    expect(residentMiB(server) - before).toBeLessThan(50)
  }
)
