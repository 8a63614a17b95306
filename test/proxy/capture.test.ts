import { afterEach, describe, expect, it } from 'vitest'
import { compileCaptureRule } from '../../src/core/log/selection.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { AUTHORIZATION, chatBody, startHarness, type Harness } from '../kit/proxy/harness.ts'

let harness: Harness
afterEach(() => harness.close())

describe('an exchange that is not to be logged', () => {
  it('is answered and left out when its client says so', async () => {
    harness = await startHarness()
    const answer = await harness.send(chatBody('hi'), {
      headers: { 'x-promptintern-capture': 'false' },
    })
    expect(answer.status).toBe(200)
    expect(harness.upstream.requests[0]?.headers['x-promptintern-capture']).toBeUndefined()
    expect(await harness.records()).toEqual([])
    await harness.send(chatBody('hi'), { headers: { 'x-promptintern-capture': 'true' } })
    expect(await harness.records()).toHaveLength(1)
  })

  it('is left out when it is not in the sample', async () => {
    const sample = [true, false, true]
    harness = await startHarness({ isCaptured: () => sample.shift() === true })
    for (const text of ['a', 'b', 'c']) await harness.send(chatBody(text))
    const requests = (await harness.records()).map(({ request }) => request)
    expect(requests).toEqual([chatBody('a'), chatBody('c')])
  })

  it('is left out when its tenant is excepted, and its neighbour`s is kept', async () => {
    const tenants = createTenants({ secret: 's', ttlMs: 1000, maxEntries: 10, now: () => 0 })
    const rule = {
      tenants: [],
      except: [tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] }).tenant],
      share: 1,
    }
    harness = await startHarness({ tenants, isCaptured: compileCaptureRule(rule, () => 0) })
    await harness.send(chatBody('unlogged'))
    const headers = { authorization: 'Bearer sk-test-neighbour' }
    await harness.send(chatBody('logged'), { headers })
    expect(harness.upstream.requests).toHaveLength(2)
    const requests = (await harness.records()).map(({ request }) => request)
    expect(requests).toEqual([chatBody('logged')])
  })

  it('still proves its caller`s key', async () => {
    harness = await startHarness({ isCaptured: () => false })
    const authorization = 'Bearer sk-test-unlogged'
    await harness.send(chatBody('hi'), { headers: { authorization } })
    const { tenants } = harness.deps
    const { tenant } = tenants.identify({ rawHeaders: ['authorization', authorization] })
    expect(tenants.accepted(tenant, 'gpt-4o-mini')).toBe(true)
  })
})
