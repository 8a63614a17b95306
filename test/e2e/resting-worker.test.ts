/** A server without an engine: its worker comes when there is something to read, and its memory is free else. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { runCli, startServer } from '../kit/process/built.ts'
import { processTree, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { chatBody, send, startUpstream, type FakeUpstream } from '../kit/proxy/harness.ts'
import { COLOURS, PROMPT } from '../kit/records/paint-orders.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const dataDir = sharedFolder()
const env = () => ({
  DATA_DIR: dataDir,
  ENGINE: 'none',
  DETECT_MIN_SESSIONS: '20',
  UPSTREAM_BASE_URL: upstream.url,
})

let upstream: FakeUpstream
let proxy: ProxyProcess
let log = ''

const templates = async (): Promise<unknown[]> =>
  (await proxy.admin<{ data: unknown[] }>('/templates')).data

const workerState = async (): Promise<string> =>
  (await proxy.admin<{ worker: string }>('/status')).worker

const tenantOf = async (): Promise<string> => {
  const { data } = await proxy.admin<{ data: { tenant: string }[] }>('/records?limit=1')
  return data[0]!.tenant
}

/** It comes when requests have paused, and takes a while to start. */
const eventually = (check: () => Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 90_000, interval: 200 })

const ask = (number: number) =>
  send(
    Number(new URL(proxy.baseUrl).port),
    chatBody(`Order ${number}: ${number % 7} tins of ${COLOURS[number % 6]}`, {
      messages: [
        { role: 'system', content: PROMPT },
        { role: 'user', content: `Order ${number}: ${number % 7} tins of ${COLOURS[number % 6]}` },
      ],
    })
  )

beforeAll(async () => {
  upstream = await startUpstream()
  proxy = await startServer(env(), (text) => (log += text))
})

afterAll(async () => {
  await proxy.stop()
  await upstream.close()
})

it('has no worker before there is something to read', async () => {
  expect(await workerState()).toBe('resting')
  expect(processTree(proxy.pid)).toHaveLength(1)
})

it('finds the templates of its traffic when requests pause, and rests again', async () => {
  for (let number = 0; number < 60; number++) expect((await ask(number)).status).toBe(200)
  await eventually(async () => expect(await templates()).toHaveLength(1))
  await eventually(async () => expect(await workerState()).toBe('resting'))
  expect(processTree(proxy.pid)).toHaveLength(1)
})

it('leaves the work of a command to the command', async () => {
  const { templates: found } = JSON.parse(await runCli(env(), 'detect', '--json')) as {
    templates: { requests: number }[]
  }
  expect(found).toMatchObject([{ requests: 60 }])
})

it('does what is asked through the admin API', async () => {
  await proxy.admin('/forget', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ tenant: await tenantOf() }),
  })
  await eventually(async () => expect(await templates()).toEqual([]))
  expect(log).not.toContain('"level":"error"')
})
