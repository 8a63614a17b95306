/** Many reads with the read-only token, over a store that answers when it is told to. */
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listen, type Listening } from '../../src/server/http-server.ts'
import { openPage, READ_TOKEN, TOKEN, type Page } from '../page/harness.ts'
import { errorOf, eventually, send, type RawAnswer } from '../kit/proxy/harness.ts'

const PATH = '/admin/api/savings'
const AT_ONCE = 4
const MAX_WAITING = 100

let page: Page
let server: Listening
/** reads that the store was asked for and has not answered */
let asked: (() => void)[]
/** reads that the store was asked for */
let total: number
const sockets: Socket[] = []

beforeEach(async () => {
  asked = []
  total = 0
  page = await openPage()
  const { list } = page.store.templates
  page.store.templates.list = () => {
    total++
    return new Promise((resolve) => asked.push(() => resolve(list())))
  }
  server = await listen(page, { port: 0, host: '127.0.0.1' }, { fault: () => {} })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const answer of asked.splice(0)) answer()
  await server.drain(0)
  await page.close()
})

const read = (token: string): Promise<RawAnswer> =>
  send(server.port, null, {
    method: 'GET',
    path: PATH,
    headers: { authorization: `Bearer ${token}` },
  })

/** Reads whose answers nobody waits for. */
const readMany = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `GET ${PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${READ_TOKEN}\r\n\r\n`
    )
    sockets.push(socket)
  }
  await eventually(() => asked.length >= AT_ONCE)
  await new Promise((resolve) => setTimeout(resolve, 100))
}

it('keep the store busy with four at a time, and the operator`s read comes at once', async () => {
  await readMany(20)
  expect(asked).toHaveLength(AT_ONCE)
  const operators = read(TOKEN)
  await eventually(() => asked.length === AT_ONCE + 1)
  asked.pop()!()
  expect((await operators).status).toBe(200)
})

it('are not done where the client left before its turn', async () => {
  await readMany(20)
  for (const socket of sockets.splice(0)) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))
  for (const answer of asked.splice(0)) answer()
  const own = read(READ_TOKEN)
  await eventually(() => asked.length > 0)
  expect(total).toBe(AT_ONCE + 1)
  asked.pop()!()
  expect((await own).status).toBe(200)
  expect(page.faults).toEqual([])
})

it('are refused where a hundred wait', async () => {
  await readMany(AT_ONCE + MAX_WAITING)
  const answer = await read(READ_TOKEN)
  expect([answer.status, errorOf(answer).code]).toEqual([503, 'overloaded'])
})
