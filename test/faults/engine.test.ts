/** The engine's process is killed while it answers: the upstream answers with the original request. */
import { afterEach, describe, expect, it } from 'vitest'
import type { EngineProcess } from '../../adapters/host/start-process.ts'
import { startFakeEngine } from '../../adapters/fake/index.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { ROUTE } from '../kit/proxy/lora-route.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  UNMATCHED_BODY,
  eventually,
  LIMITS,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

let harness: Harness
let engineProcess: EngineProcess
let dataDir: string
let deaths: { error: Error; data: unknown }[]

/** the engine's progress with the current answer */
let progress: { asked: boolean; deltas: number }

/** The real engine, with its progress visible to the test. */
const watched = (engine: Engine): Engine => ({
  ...engine,
  name: engine.name,
  async *stream(...asked) {
    progress = { asked: true, deltas: 0 }
    for await (const delta of engine.stream(...asked)) {
      progress.deltas++
      yield delta
    }
  },
})

const start = async (faults: Parameters<typeof startFakeEngine>[0]['faults']): Promise<void> => {
  deaths = []
  dataDir = ownFolder()
  engineProcess = await startFakeEngine({
    dataDir,
    onFault: (error, data) => deaths.push({ error, data }),
    ...(faults === undefined ? {} : { faults }),
  })
  const engine = watched(createEngine({ name: 'hand', ...engineProcess, fetch }))
  // the fake engine's base model answers as a lora would
  const table = compileRouteTable([{ ...ROUTE, lora: 'fake-base', threshold: -1e9 }])
  harness = await startHarness({
    routes: () => table,
    engines: new Map([['hand', engine]]),
    limits: { ...LIMITS, adaptedTimeoutMs: 30_000 },
    breaker: { maxFailures: 3, pauseMs: 1 },
  })
  // the upstream accepts the credential
  await harness.send(UNMATCHED_BODY)
  harness.upstream.requests.length = 0
  progress = { asked: false, deltas: 0 }
}

afterEach(async () => {
  await harness.close()
  await engineProcess.close()
})

const expectUpstream = async (when: () => boolean): Promise<void> => {
  const body = chatBody('where is my card')
  const asking = harness.send(body)
  await eventually(when)
  process.kill(engineProcess.pid()!, 'SIGKILL')
  const answer = await asking
  expect(answer.headers['x-promptintern-reason']).toBe('engine-error')
  expect(JSON.parse(answer.body.toString())).toEqual(completion('from the upstream'))
  expect(harness.faults).toMatchObject([
    { kind: 'engine', error: { code: 'engine-unavailable' }, data: { reason: 'engine-error' } },
  ])
  await eventually(() => deaths.length === 1)
  expect(deaths).toMatchObject([{ data: { exitCode: null, signal: 'SIGKILL' } }])
  expect(harness.upstream.bodies()).toEqual([body])
}

const route = async (): Promise<unknown> =>
  (await harness.send(chatBody('where is my card'))).headers['x-promptintern-route']

describe('an engine that is killed', () => {
  it('before its first token: the upstream answers', async () => {
    await start({ firstTokenMs: 20_000 })
    await expectUpstream(() => progress.asked)
  })

  it('during its answer: the upstream answers the whole request', async () => {
    await start({ tokenMs: 1000 })
    await expectUpstream(() => progress.deltas > 0)
  })

  it('answers again after its restart', async () => {
    await start({})
    expect(await route()).toBe('answered')
    process.kill(engineProcess.pid()!, 'SIGKILL')
    const routes: unknown[] = []
    await eventually(async () => {
      routes.push(await route())
      return routes.includes('fallback') && routes.at(-1) === 'answered'
    })
  })
})
