/** Peers without a key that begin requests to the server itself, and do not send their bodies: the real server. */
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { startServerProcess, type ServerProcess } from '../../kit/process/server-process.ts'
import { eventually, send } from '../../kit/proxy/harness.ts'
import { changedConstants } from '../../kit/process/loop-settings.ts'

const MAX_CONNECTIONS = 64

let server: ServerProcess
const sockets: Socket[] = []

beforeAll(async () => {
  server = await startServerProcess({
    ENGINE: 'none',
    UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1',
    ...changedConstants({ maxConnections: MAX_CONNECTIONS }),
  })
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})
afterAll(() => server.remove())

const headOf = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n` +
  'content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\n'

/** @returns once the server has the heads, which it takes in the order of the connections */
const beginMany = async (count: number, path: string): Promise<void> => {
  for (let i = 0; i < count; i++) {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    await new Promise((resolve) => socket.once('connect', resolve))
    await new Promise((resolve) => socket.write(headOf(path), resolve))
  }
  await new Promise((resolve) => setTimeout(resolve, 1000))
}

const health = (): Promise<number> =>
  send(server.port, null, { method: 'GET', path: '/healthz' }).then(
    ({ status }) => status,
    () => 0
  )

const PATHS = ['/v1/promptintern/feedback', '/admin/sign-in', '/v1/chat/completions']

it.each(PATHS)('bodies of %s that do not arrive do not keep all connections', async (path) => {
  await beginMany(MAX_CONNECTIONS + 16, path)
  expect(await health()).toBe(200)
})

it.each(PATHS)(
  'a peer that leaves while it sends to %s is no fault of the server',
  async (path) => {
    const left = MAX_CONNECTIONS / 4
    await beginMany(left, path)
    for (const socket of sockets.splice(0)) socket.destroy()
    await eventually(async () => (await health()) === 200)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(server.faults()).toEqual([])
  }
)
