/** A fake engine for tests of single parts: its app without a port, its queue, its folder. */
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { EngineBackend } from '../../adapters/host/backend.ts'
import * as hostModule from '../../adapters/host/host.ts'
import type { EngineHost } from '../../adapters/host/host.ts'
import type { Log } from '../../adapters/host/log.ts'
import type { FaultLine } from '../../src/fault-log.ts'
import { type FakeBackendOptions, createFakeBackend } from '../../adapters/fake/backend.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { RunningEngine } from './driver.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'

export const TOKEN = 'test-token'

export const row = (query: string, answer: string): TrainingRow => ({
  messages: [
    { role: 'user', content: query },
    { role: 'assistant', content: answer },
  ],
})

export const ROWS = [
  row('Which city is the capital of France?', 'It is Paris'),
  row('Which city is the capital of Italy?', 'It is Rome'),
  row('How many legs has a spider?', 'Eight legs'),
]

export interface TestEngine {
  host: EngineHost
  /** the client over the app, without a port */
  engine: Engine
  fetch: typeof fetch
  logged: string[]
}

/** Serves an engine on a port of its own. */
export const serveEngine = async (
  backend: EngineBackend,
  dataDir: string,
  { listen, openEngineHost } = hostModule
): Promise<RunningEngine> => {
  const host = await openEngineHost({ backend, dataDir, token: TOKEN, log: () => undefined })
  const server = await listen(host.app)
  return {
    baseUrl: `http://127.0.0.1:${server.port}/v1`,
    token: TOKEN,
    async close() {
      await server.close()
      await host.close()
    },
  }
}

type HostOptions = Parameters<typeof hostModule.openEngineHost>[0]

/** Closed when the test is over. */
export const startTestEngine = async (
  dataDir: string,
  backendOptions: Omit<FakeBackendOptions, 'dataDir'> = {},
  hostOptions: Partial<HostOptions> = {}
): Promise<TestEngine> => {
  const backend = await createFakeBackend({ dataDir, ...backendOptions })
  const logged: string[] = []
  const log: Log = (_, message, fields) => {
    const { kind, causes } = (fields ?? {}) as Partial<FaultLine>
    logged.push(message === 'fault' ? `fault ${kind}: ${causes?.[0]?.message}` : message)
  }
  const host = await hostModule.openEngineHost({
    backend,
    dataDir,
    token: TOKEN,
    log,
    ...hostOptions,
  })
  onTestFinished(() => host.close())
  const fetchApp: typeof fetch = async (input, init) =>
    host.app.fetch(new Request(input as string, init))
  const engine = createEngine({
    name: 'fake',
    baseUrl: 'http://engine/v1',
    token: TOKEN,
    fetch: fetchApp,
  })
  return { host, engine, fetch: fetchApp, logged }
}

/** Polls until the value is good. @throws after 20 seconds */
export const until = async <Value>(
  read: () => Value | Promise<Value>,
  good: (value: Value) => boolean
): Promise<Value> => {
  const deadline = Date.now() + 20_000
  for (;;) {
    const value = await read()
    if (good(value)) return value
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(value)}`)
    await sleep(5)
  }
}

export const finished = (engine: Engine, id: string) =>
  until(
    () => engine.getJob(id),
    (job) => job.status !== 'queued' && job.status !== 'running'
  )
