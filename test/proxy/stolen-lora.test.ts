/** Invariant 5: whoever the upstream or the operator would refuse gets nothing that a lora knows. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { compileRouteTable } from '../../src/proxy/route-table.ts'
import { createTenants } from '../../src/proxy/tenants.ts'
import { FakeLora, LORA_ANSWER, LORA_TOKENS, routeFor } from '../fakes/lora.ts'
import {
  AUTHORIZATION,
  chatBody,
  completion,
  eventually,
  respondJson,
  send,
  startHarness,
  type Harness,
  type RawAnswer,
} from './harness.ts'
import { keyFor, secretFor, startKeyed, type Keyed } from './keyed.ts'

const TTL_MS = 60_000
const UNAUTHORIZED = { error: { message: 'Incorrect API key provided', code: 'invalid_api_key' } }

const lora = (tenant: string): { engine: FakeLora; overrides: Partial<ProxyDeps> } => {
  const engine = new FakeLora()
  const table = compileRouteTable([routeFor(tenant)])
  return {
    engine,
    overrides: {
      routes: () => table,
      engines: new Map([[engine.name, engine as Partial<Engine> as Engine]]),
    },
  }
}

describe('a stolen lora: a caller whose key the upstream refuses', () => {
  let harness: Harness
  let engine: FakeLora
  const clock = { now: 0 }

  const start = async (): Promise<void> => {
    clock.now = 1_000_000
    const tenants = createTenants({
      secret: 'secret',
      ttlMs: TTL_MS,
      maxEntries: 100,
      now: () => clock.now,
    })
    const prepared = lora(tenants.of({ authorization: AUTHORIZATION }))
    engine = prepared.engine
    harness = await startHarness({ tenants, ...prepared.overrides })
  }

  const ask = (authorization = AUTHORIZATION): Promise<RawAnswer> =>
    send(harness.port, chatBody('where is my card'), { headers: { authorization } })

  const refuse = (): void => {
    harness.upstream.respond = respondJson(UNAUTHORIZED, 401)
  }

  const expectRefused = async (authorization?: string): Promise<void> => {
    const asked = engine.asked.length
    const answer = await ask(authorization)
    expect(answer.status).toBe(401)
    expect(JSON.parse(answer.body.toString())).toEqual(UNAUTHORIZED)
    expect(engine.asked).toHaveLength(asked)
  }

  /** So that the lora would answer: else nothing is proved. */
  const expectAnswered = async (): Promise<void> => {
    await ask()
    expect((await ask()).body.toString()).toContain(LORA_ANSWER)
    expect(engine.asked).toHaveLength(1)
  }

  afterEach(() => harness.close())

  it('never gets an adapted answer', async () => {
    await start()
    refuse()
    await expectRefused()
    await expectRefused()
  })

  it('gets none although the same tenant was accepted once, when that is too long ago', async () => {
    await start()
    await expectAnswered()
    refuse()
    clock.now += TTL_MS
    await expectRefused()
    await expectRefused()
  })

  it('gets none after a 401 since, however young the acceptance', async () => {
    await start()
    await expectAnswered()
    refuse()
    // a request that no template is in tells first
    await send(harness.port, chatBody('hi', { model: 'gpt-9' }))
    clock.now += 1
    await expectRefused()
  })

  it('gets none with another key than the one that was accepted', async () => {
    await start()
    await expectAnswered()
    refuse()
    for (const stranger of ['Bearer sk-guessed', '', AUTHORIZATION.slice(0, -1)])
      await expectRefused(stranger)
  })
})

describe('a stolen lora where keys are issued', () => {
  let keyed: Keyed
  let engine: FakeLora

  const start = async (): Promise<void> => {
    const prepared = lora('issued:a')
    engine = prepared.engine
    keyed = await startKeyed(
      [keyFor('a', { budget: { usd: 2, period: 'day' }, tokensPerMinute: 100 }), keyFor('b')],
      prepared.overrides
    )
  }

  const ask = (id: string): Promise<RawAnswer> =>
    send(keyed.harness.port, chatBody('where is my card', { max_tokens: 6 }), {
      headers: { authorization: `Bearer ${secretFor(id)}` },
    })

  afterEach(() => keyed.harness.close())

  it('answers a good key at once: that it was issued is acceptance enough', async () => {
    await start()
    expect((await ask('a')).body.toString()).toContain(LORA_ANSWER)
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it('takes the lora’s tokens and no money', async () => {
    await start()
    await ask('a')
    await eventually(() => keyed.spends.length === 1)
    expect(keyed.spends).toEqual([{ keyId: 'a', tokens: LORA_TOKENS, usd: 0 }])
  })

  it('gives nothing to a key of another tenant', async () => {
    await start()
    const answer = await ask('b')
    expect(JSON.parse(answer.body.toString())).toEqual(completion('from the upstream'))
    expect(engine.asked).toEqual([])
  })

  it('gives nothing to a key that was revoked, or that the upstream would take', async () => {
    await start()
    await ask('a')
    keyed.replaceKeys([{ ...keyFor('a'), revokedAt: 1 }])
    expect((await ask('a')).status).toBe(401)
    const own = await send(keyed.harness.port, chatBody('where is my card'))
    expect(own.status).toBe(401)
    expect(engine.asked).toHaveLength(1)
    expect(keyed.harness.upstream.requests).toEqual([])
  })
})
