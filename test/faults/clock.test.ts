/** The system clock is changed while the server runs. */
import { afterEach, describe, expect, it } from 'vitest'
import { createBreaker } from '../../src/proxy/breaker.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { type JudgedPair } from '../../src/core/rollout/pair.ts'
import { PairReader } from '../../src/core/rollout/pair-reader.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { ORDERS } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { ROUTE, TENANTS } from '../kit/proxy/lora-route.ts'
import {
  chatBody,
  onDemand,
  eventually,
  send,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'
import { useWorkerHarness } from '../worker/harness.ts'
import { useWatchedRoute } from '../worker/watched-route.ts'

const NOON = 1_800_000_000_000
const DAY_MS = 86_400_000

let harness: Harness | null = null
afterEach(() => harness?.close())

describe('a changed clock', () => {
  it.each([
    ['back', -DAY_MS],
    ['forward', DAY_MS],
  ])('%s leaves no breaker open for longer than its pause', (_, jumpMs) => {
    let time = NOON
    const breaker = createBreaker({ maxFailures: 1, pauseMs: 1000, now: () => time })
    breaker.failed()
    expect(breaker.allows()).toBe(false)
    time += jumpMs
    expect(breaker.allows()).toBe(true)
    // this request is the breaker's probe
    expect(breaker.allows()).toBe(false)
    time += 1000
    expect(breaker.allows()).toBe(true)
  })

  it.each([
    ['back', -DAY_MS],
    ['forward', DAY_MS],
  ])('%s during requests stops none of them, and they are logged', async (_, jumpMs) => {
    let time = NOON
    harness = await startHarness({ now: () => time })
    const { respond, answer, waiting } = onDemand({ ok: true })
    harness.upstream.respond = respond
    const inFlight = harness.send(chatBody('hi'))
    await eventually(() => waiting() === 1)
    time += jumpMs
    answer()
    expect((await inFlight).status).toBe(200)
    const after = harness.send(chatBody('hi'))
    await eventually(() => waiting() === 1)
    answer()
    expect((await after).status).toBe(200)
    expect((await harness.records()).map(({ at }) => at)).toEqual([NOON, NOON + jumpMs])
  })

  it('set back, it lets no lora answer on an acceptance of unknown age', async () => {
    let time = NOON
    const engine: Pick<Engine, 'name' | 'stream'> = {
      name: 'hand',
      async *stream() {
        const logprobs = [{ token: 'a', logprob: 0, bytes: null, top_logprobs: [] }]
        yield { text: 'a', logprobs, finishReason: 'stop' as const }
      },
    }
    const table = compileRouteTable([ROUTE])
    harness = await startHarness({
      now: () => time,
      tenants: createTenants({ ...TENANTS, now: () => time }),
      routes: () => table,
      engines: new Map([['hand', engine as Engine]]),
    })
    const { port } = harness
    const routeOf = async () => (await send(port, chatBody('hi'))).headers['x-promptintern-route']
    expect([await routeOf(), await routeOf()]).toEqual(['skipped', 'answered'])
    time -= DAY_MS
    expect([await routeOf(), await routeOf()]).toEqual(['skipped', 'answered'])
    time += 2 * DAY_MS
    expect([await routeOf(), await routeOf()]).toEqual(['skipped', 'answered'])
  })
})

const JUMPS: [name: string, ms: number][] = [
  ['back', -DAY_MS],
  ['forward', DAY_MS],
]

describe('the evidence of a live route', () => {
  const open = useWatchedRoute()
  const AUDITED = { ...AT_ONCE, auditShare: 0.03 }
  const FULL = [{ trafficShare: 0.97, auditShare: 0.03 }]
  const WITHOUT_AUDITS = [{ trafficShare: 1, auditShare: 0 }]

  it.each(JUMPS)('has each audit once while the clock is set %s', async (_, jumpMs) => {
    const watched = await open(AUDITED)
    await watched.audit(20)
    watched.harness.now += jumpMs
    await watched.audit(20)
    await watched.judged(40)
    watched.harness.now -= jumpMs
    await watched.audit(20)
    await watched.judged(60)
    const { evidence, waiting } = await watched.report()
    expect([evidence.pairs, waiting]).toEqual([60, 0])
  })

  it.each(JUMPS)('is not held up when the clock is set %s during an audit', async (_, jumpMs) => {
    const watched = await open(AUDITED)
    const { harness: own } = watched
    const complete = own.engine.complete.bind(own.engine)
    own.engine.complete = async (request) => {
      own.now += jumpMs
      own.engine.complete = complete
      return complete(request)
    }
    await watched.audit(40)
    await watched.judged(40)
    expect((await watched.report()).evidence.pairs).toBe(40)
  })

  it.each(JUMPS)('ends a conversation once when the clock is set %s', (_, jumpMs) => {
    const reader = new PairReader(false, 0)
    let place = 0
    const turn = (at: number): JudgedPair => ({
      place: ++place,
      at,
      conversation: 'a',
      outcome: 'agreed',
      drawn: 1,
      rating: null,
      confidence: 0,
    })
    const minutes = [0, 1, 2].map((minute) => NOON + minute * 60_000)
    reader.read(minutes.map(turn))
    expect(reader.sums(NOON).stream.pairs).toBe(0)
    expect(reader.sums(NOON + jumpMs).stream.pairs).toBe(1)
    reader.read(minutes.map((at) => turn(at + jumpMs)))
    expect(reader.sums(NOON + jumpMs).stream.pairs).toBe(1)
    // the clock is right again
    expect(reader.sums(NOON).stream.pairs).toBe(2)
  })

  it('costs at most the limit of a day, which begins at midnight UTC', async () => {
    const watched = await open({ ...AUDITED, auditUsdPerDay: 0.05 }, { costUsd: () => 0.01 })
    const { harness: own, worker } = watched
    const midnight = (Math.floor(own.now / DAY_MS) + 1) * DAY_MS
    own.now = midnight - 60_000
    await watched.audit(5)
    await watched.judged(5)
    expect(own.now).toBeLessThan(midnight)
    expect(await watched.routes()).toMatchObject(WITHOUT_AUDITS)
    // asked before midnight and judged after it: of the day before
    await watched.audit(5)
    own.now = midnight
    await watched.judged(10)
    // an hour of the day before cost twice as much as a day may
    expect((await watched.routes())[0]!.auditShare).toBeGreaterThan(0)
    expect(await watched.report()).toMatchObject({ spentUsdToday: 0 })
    await watched.audit(5)
    await watched.judged(15)
    await own.round(worker)
    expect(await watched.routes()).toMatchObject(WITHOUT_AUDITS)
    expect((await watched.report()).spentUsdToday).toBeCloseTo(0.05)
  })

  it('has the cost of a day only, after a clock was ahead for some time', async () => {
    const watched = await open({ ...AUDITED, auditUsdPerDay: 0.05 }, { costUsd: () => 0.01 })
    const { harness: own, worker } = watched
    own.now += 300 * DAY_MS
    await watched.audit(10)
    await watched.judged(10)
    await own.round(worker)
    expect(await watched.routes()).toMatchObject(WITHOUT_AUDITS)
    own.now -= 300 * DAY_MS
    await own.round(worker)
    expect(await watched.routes()).toMatchObject(FULL)
  })
})

describe('the search for templates', () => {
  const open = useWorkerHarness()

  it('goes on when the clock is set back', async () => {
    const worked = await open({ from: null })
    const worker = await worked.worker()
    await worked.log(ORDERS.slice(0, 20))
    await worked.runFor(worker, 60_000)
    expect(await worked.store.templates.list()).toEqual([])
    worked.now -= DAY_MS
    await worked.log(ORDERS.slice(20, 140))
    await worked.runFor(worker, 60_000)
    expect(await worked.store.templates.list()).toHaveLength(1)
  })
})
