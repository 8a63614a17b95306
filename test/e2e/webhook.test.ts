/** The real server tells a webhook of a command's rollback, and shows its secrets nowhere. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/thread/open.ts'
import { runCli } from '../kit/process/built.ts'
import { exampleApproved, exampleTemplate } from '../kit/records/examples.ts'
import {
  isSigned,
  SECRET_PATH,
  SECRET_QUERY,
  WEBHOOK_SECRET,
  WebhookReceiver,
} from '../kit/upstream/webhook-receiver.ts'
import { startServerProcess, type ServerProcess } from '../kit/process/server-process.ts'
import { chatBody, send, startUpstream, type FakeUpstream } from '../kit/proxy/harness.ts'

const PATIENCE = { timeout: 30_000 }
const TEMPLATE = exampleTemplate()

const prepare = async (dataDir: string): Promise<void> => {
  const store = await openSqliteStore({ dataDir })
  await store.templates.upsert([TEMPLATE])
  await store.internalizations.create(exampleApproved())
  await store.close()
}

/** It notes its engine after it has opened the webhook. */
const workerHasBegun = async (dataDir: string): Promise<boolean> => {
  const store = await openSqliteStore({ dataDir })
  try {
    return (await store.snapshots.get('worker')) !== null
  } finally {
    await store.close()
  }
}

describe('a webhook', () => {
  let receiver: WebhookReceiver
  let upstream: FakeUpstream
  let server: ServerProcess

  beforeEach(async () => {
    receiver = await WebhookReceiver.start()
    upstream = await startUpstream()
    const env = {
      UPSTREAM_BASE_URL: upstream.url,
      WEBHOOK_URL: receiver.url,
      WEBHOOK_SECRET,
      LOG_LEVEL: 'debug',
    }
    receiver.answer = 500
    server = await startServerProcess(env, { prepare, worker: true })
  })

  afterEach(async () => {
    await server.remove()
    receiver.close()
    upstream.close()
  })

  it('is told by the worker of what a command does', async () => {
    const env = { DATA_DIR: server.dataDir }
    await expect.poll(() => workerHasBegun(server.dataDir), PATIENCE).toBe(true)
    await runCli(env, 'promote', TEMPLATE.version)
    await runCli(env, 'rollback', TEMPLATE.version)
    await expect.poll(() => server.faults().map(({ kind }) => kind), PATIENCE).toContain('webhook')
    receiver.answer = 204
    await expect.poll(() => receiver.types.at(-1), PATIENCE).toBe('rollout.rolled_back')
    expect(receiver.received.every(isSigned)).toBe(true)
    expect(receiver.received.at(-1)!.event.data).toMatchObject({
      template: TEMPLATE.version,
      by: 'cli',
      reason: { code: 'by-a-person' },
    })
    for (const secret of [SECRET_PATH, SECRET_QUERY, WEBHOOK_SECRET.slice(6)])
      expect(server.log()).not.toContain(secret)
  })

  it('has a secret that never reaches an upstream', async () => {
    const headers = { authorization: `Bearer ${WEBHOOK_SECRET}` }
    expect((await send(server.port, chatBody('hi'), { headers })).status).toBe(401)
    expect(upstream.requests).toEqual([])
  })
})
