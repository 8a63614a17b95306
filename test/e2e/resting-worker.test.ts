/** A server without an engine: its worker comes when there is something to read, and its memory is free else. */
import { expect, it, vi } from 'vitest'
import { runCli } from '../kit/process/built.ts'
import { processTree } from '../kit/process/proxy-process.ts'
import { chatBody, send, startUpstream } from '../kit/proxy/harness.ts'
import { COLOURS, PROMPT } from '../kit/records/paint-orders.ts'
import { useServer } from '../kit/whole/use-server.ts'

let log = ''
const server = useServer(
  startUpstream,
  ({ url }) => ({ ENGINE: 'none', DETECT_MIN_SESSIONS: '20', UPSTREAM_BASE_URL: url }),
  (text) => (log += text)
)

const templates = async (): Promise<unknown[]> =>
  (await server.proxy.admin<{ data: unknown[] }>('/templates')).data

const workerState = async (): Promise<string> =>
  (await server.proxy.admin<{ worker: string }>('/status')).worker

const tenantOf = async (): Promise<string> => {
  const { data } = await server.proxy.admin<{ data: { tenant: string }[] }>('/records?limit=1')
  return data[0]!.tenant
}

/** It comes when requests have paused, and takes a while to start. */
const eventually = (check: () => Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 90_000, interval: 200 })

const ask = (number: number) =>
  send(
    server.port,
    chatBody(`Order ${number}: ${number % 7} tins of ${COLOURS[number % 6]}`, {
      messages: [
        { role: 'system', content: PROMPT },
        { role: 'user', content: `Order ${number}: ${number % 7} tins of ${COLOURS[number % 6]}` },
      ],
    })
  )

it('has no worker before there is something to read', async () => {
  expect(await workerState()).toBe('resting')
  expect(processTree(server.proxy.pid)).toHaveLength(1)
})

it('finds the templates of its traffic when requests pause, and rests again', async () => {
  for (let number = 0; number < 60; number++) expect((await ask(number)).status).toBe(200)
  await eventually(async () => expect(await templates()).toHaveLength(1))
  await eventually(async () => expect(await workerState()).toBe('resting'))
  expect(processTree(server.proxy.pid)).toHaveLength(1)
})

it('leaves the work of a command to the command', async () => {
  const { templates: found } = JSON.parse(await runCli(server.env, 'detect', '--json')) as {
    templates: { requests: number }[]
  }
  expect(found).toMatchObject([{ requests: 60 }])
})

it('does what is asked through the admin API', async () => {
  await server.proxy.admin('/forget', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ tenant: await tenantOf() }),
  })
  await eventually(async () => expect(await templates()).toEqual([]))
  expect(log).not.toContain('"level":"error"')
})
