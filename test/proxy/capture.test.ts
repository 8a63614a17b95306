import { afterEach, describe, expect, it } from 'vitest'
import { chatBody, send, startHarness, type Harness } from './harness.ts'

let harness: Harness
afterEach(() => harness.close())

describe('an exchange that is not to be logged', () => {
  it('is answered and left out when its client says so', async () => {
    harness = await startHarness()
    const answer = await send(harness.port, chatBody('hi'), {
      headers: { 'x-promptintern-capture': 'false' },
    })
    expect(answer.status).toBe(200)
    expect(harness.upstream.requests[0]?.headers['x-promptintern-capture']).toBeUndefined()
    expect(await harness.records()).toEqual([])
    await send(harness.port, chatBody('hi'), { headers: { 'x-promptintern-capture': 'true' } })
    expect(await harness.records()).toHaveLength(1)
  })

  it('is left out when it is not in the sample', async () => {
    const sample = [true, false, true]
    harness = await startHarness({ isSampled: () => sample.shift() === true })
    for (const text of ['a', 'b', 'c']) await send(harness.port, chatBody(text))
    const requests = (await harness.records()).map(({ request }) => request)
    expect(requests).toEqual([chatBody('a'), chatBody('c')])
  })

  it('still proves its caller`s key', async () => {
    harness = await startHarness({ isSampled: () => false })
    const authorization = 'Bearer sk-test-unlogged'
    await send(harness.port, chatBody('hi'), { headers: { authorization } })
    const { tenants } = harness.deps
    expect(tenants.accepted(tenants.of({ authorization }))).toBe(true)
  })
})
