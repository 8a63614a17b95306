/** A server without an engine: its worker comes when there is something to read, and its memory is free else. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { runCli } from '../kit/process/built.ts'
import { processTree } from '../kit/process/proxy-process.ts'
import { chatBody, send, startUpstream } from '../kit/proxy/harness.ts'
import { COLOURS, PROMPT } from '../kit/records/paint-orders.ts'
import { useServer } from '../kit/whole/use-server.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

let log = ''
const server = useServer(
  startUpstream,
  ({ url }) => ({
    ENGINE: 'none',
    ...changedConstants({ detectMinSessions: 20 }),
    UPSTREAM_BASE_URL: url,
  }),
  (text) => (log += text)
)

const templates = async (): Promise<unknown[]> =>
  (await server.proxy.admin<{ data: unknown[] }>('/templates')).data

const workerState = async (): Promise<string> =>
  (await server.proxy.admin<{ worker: string }>('/status')).worker

/** It comes when requests have paused, and takes a while to start. */
const eventually = (check: () => Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 90_000, interval: 200 })

const OTHER_TENANT = '0123456789abcdef'.repeat(2)

const messages = (number: number) => [
  { role: 'system', content: PROMPT },
  { role: 'user', content: `Order ${number}: ${number % 7} tins of ${COLOURS[number % 6]}` },
]

const ask = (number: number) => send(server.port, chatBody('', { messages: messages(number) }))

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

it('reads what a command of another process has logged', async () => {
  const file = join(server.dataDir, 'rows.jsonl')
  const rows = Array.from({ length: 60 }, (_, number) =>
    JSON.stringify({ messages: [...messages(number), { role: 'assistant', content: 'amber' }] })
  )
  writeFileSync(file, rows.join('\n'))
  await runCli(server.env, 'import', file, '--tenant', OTHER_TENANT)
  await eventually(async () => expect(await templates()).toHaveLength(2))
  await eventually(async () => expect(await workerState()).toBe('resting'))
})

it('does what is asked through the admin API', async () => {
  await server.proxy.admin('/forget', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ tenant: OTHER_TENANT }),
  })
  await eventually(async () => expect(await templates()).toHaveLength(1))
  expect(log).not.toContain('"level":"error"')
})
