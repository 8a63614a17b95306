/** What a peer without a valid key costs: nothing but a line. */
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import { runCli } from '../kit/process/built.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { respondJson, startUpstream, type FakeUpstream } from '../kit/proxy/harness.ts'
import {
  ADMIN_TOKEN,
  startServerProcess,
  type ServerProcess,
} from '../kit/process/server-process.ts'

let server: ServerProcess | null = null
let upstream: FakeUpstream | null = null

afterEach(async () => {
  await server?.remove()
  upstream?.close()
  ;[server, upstream] = [null, null]
})

const sizeOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0
  )

const admin = async (path: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${server!.port}/admin/api${path}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })

interface Listed {
  data: { id: string; model: string; request: string; response: string | null }[]
  next: number | null
  isPartial: boolean
}

const records = async (query: string): Promise<Listed> =>
  (await (await admin(`/records?${query}`)).json()) as Listed

const post = (body: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${server!.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-made-up' },
    body,
  })

const written = async (): Promise<number> => {
  const status = (await (await admin('/status')).json()) as { log: { written: number } }
  return status.log.written
}

const waitFor = async (condition: () => Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 300; i++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('waited in vain')
}

describe('requests that the upstream refuses', { timeout: 120_000 }, () => {
  it('leave a line in the log, without their texts and with a short name of their model', async () => {
    upstream = await startUpstream()
    upstream.respond = respondJson({ error: { message: 'Incorrect API key' } }, 401)
    server = await startServerProcess({ UPSTREAM_BASE_URL: `${upstream.url}/v1` })
    const before = sizeOf(server.dataDir)
    for (let i = 0; i < 40; i++) {
      const messages = [{ role: 'user', content: randomBytes(600_000).toString('base64url') }]
      const model = `${i}-${randomBytes(150_000).toString('base64url')}`
      expect((await post(JSON.stringify({ model, messages }))).status).toBe(401)
    }
    await waitFor(async () => (await written()) === 40)
    // the write-ahead log of the database, too, which is used again and again
    expect(sizeOf(server.dataDir) - before).toBeLessThan(2 * 2 ** 20)
    const { data } = await records('bodies=true&limit=50')
    expect(data).toHaveLength(40)
    for (const { model, request, response } of data) {
      expect(model.length).toBeLessThanOrEqual(257)
      expect(request).toBe('')
      expect(response).toContain('Incorrect API key')
    }
  })

  it('keep the beginning of their texts where the credentials were accepted', async () => {
    upstream = await startUpstream()
    const message = `no such model ${'x'.repeat(100_000)}`
    upstream.respond = respondJson({ error: { message } }, 400)
    server = await startServerProcess({ UPSTREAM_BASE_URL: `${upstream.url}/v1` })
    const long = { model: 'm', messages: [{ role: 'user', content: 'y'.repeat(100_000) }] }
    await post(JSON.stringify(long))
    await post(JSON.stringify({ ...long, messages: [] }))
    await waitFor(async () => (await written()) === 2)
    const { data } = await records('bodies=true&order=asc')
    expect(data.map(({ request }) => request.length > 8192)).toEqual([true, false])
    expect(JSON.parse(data[1]!.request)).toEqual({ model: 'm', messages: [] })
    for (const { request, response } of data) {
      expect(request.length).toBeLessThan(9000)
      expect(response!.length).toBeLessThan(9000)
      expect(String(JSON.parse(response!))).toContain('no such model')
    }
  })
})

const BODIES = 60
const HEAP_MB = 160

/** A log in which one body of 3.9 MB is that of many records: on disk it is there once. */
const fillWithLargeBodies = async (dataDir: string): Promise<void> => {
  const store = await openLocalStore({ dataDir })
  const content = randomBytes(1_950_000).toString('hex')
  const request = JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] })
  for (let i = 0; i < BODIES; i++)
    await store.records.append(batchOf([exampleRecord(i, { request, at: Date.now() })]))
  await store.close()
}

describe('a log of large bodies', { timeout: 300_000 }, () => {
  it('is read through by the admin API and the worker in a small heap', async () => {
    const env = {
      NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}`,
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1',
      ENGINE: 'none',
    }
    server = await startServerProcess(env, { prepare: fillWithLargeBodies })
    const seen = new Set<string>()
    let after = ''
    for (let isEnd = false; !isEnd;) {
      const page = await records(`bodies=true&limit=500&order=asc${after}`)
      expect(page.data.length).toBeGreaterThan(0)
      expect(page.data.reduce((sum, { request }) => sum + request.length, 0)).toBeLessThan(17e6)
      expect(page.isPartial).toBe(page.next !== null)
      for (const { id } of page.data) seen.add(id)
      after = `&after=${page.next}`
      isEnd = page.next === null
    }
    expect(seen.size).toBe(BODIES)
    await runCli({ ...env, DATA_DIR: server.dataDir }, 'worker', '--until-idle')
    expect(server.faults().map(({ kind }) => kind)).toEqual([])
    expect(await (await admin('/status')).json()).toMatchObject({ store: 'running' })
  })
})
