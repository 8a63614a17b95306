/** The system clock is changed while the server runs. */
import { afterEach, describe, expect, it } from 'vitest'
import { createBreaker } from '../../src/proxy/breaker.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { ROUTE, TENANTS } from '../fixtures/lora-route.ts'
import {
  chatBody,
  onDemand,
  eventually,
  send,
  startHarness,
  type Harness,
} from '../proxy/harness.ts'

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
