/** What a person decides by the admin API is in force in the proxy before it is answered. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { AppError } from '../../src/errors.ts'
import { compileRouteTable, type RouteTable } from '../../src/core/route/route-table.ts'
import { watchSnapshot, type SnapshotWatch } from '../../src/server/snapshot-watch.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { FakeLora, LORA_ANSWER } from '../kit/proxy/lora.ts'
import { adminApp, TOKEN } from '../kit/records/admin-app.ts'
import { exampleApproved } from '../kit/records/examples.ts'
import { TEMPLATE } from '../kit/proxy/lora-route.ts'
import { completion } from '../kit/records/completion.ts'
import { chatBody, eventually, startHarness, type Harness } from '../kit/proxy/harness.ts'

/** Answers when it is told to. */
class HeldLora extends FakeLora {
  isHeld = false
  private waiting: (() => void)[] = []

  override async *stream(...asked: Parameters<FakeLora['stream']>) {
    const deltas = super.stream(...asked)[Symbol.asyncIterator]()
    const first = await deltas.next()
    if (this.isHeld) await new Promise<void>((resolve) => this.waiting.push(resolve))
    if (first.done !== true) yield first.value
    for (let next = await deltas.next(); next.done !== true; next = await deltas.next())
      yield next.value
  }

  release(): void {
    this.isHeld = false
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

/** Waits for approval, by the template that `chatBody` is of. */
const approved = (id: string) => {
  const row = exampleApproved(id, { tenant: TEMPLATE.tenant, templateVersion: TEMPLATE.version })
  const { plan, verdict } = row
  return {
    ...row,
    plan: { ...plan!, engine: 'fake', answers: { ...plan!.answers, labels: null } },
    verdict: {
      ...verdict!,
      arms: verdict!.arms.map((arm) => ({ ...arm, threshold: -1 })),
    },
  }
}

describe('a decision of the admin API', () => {
  let dataDir: string
  let store: OpenStore
  let watch: SnapshotWatch<RouteTable>
  let engine: HeldLora
  let harness: Harness
  let admin: Hono

  const decide = async (path: string, body: object = {}): Promise<number> => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    return (await admin.request(`/admin/api${path}`, init)).status
  }
  const ask = async (question = 'where is my card') => {
    const { headers, text, status } = await harness.send(chatBody(question))
    const [route, reason] = ['route', 'reason'].map((name) => headers[`x-promptintern-${name}`])
    return { status, route, reason, text }
  }
  const isAnswered = async (): Promise<boolean> => (await ask()).route === 'answered'

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'rollback-'))
    store = await openLocalStore({ dataDir })
    await store.templates.upsert([TEMPLATE])
    await store.internalizations.create(approved('a'))
    engine = new HeldLora()
    watch = await watchSnapshot(
      {
        name: 'route table',
        revision: () => store.routes.revision(),
        read: async () => compileRouteTable(await store.routes.list()),
      },
      { info: () => {} },
      (...reported) => harness.deps.fault(...reported)
    )
    harness = await startHarness({
      routes: watch.snapshot,
      engines: new Map([['fake', engine as Partial<Engine> as Engine]]),
    })
    admin = adminApp(store, Date.now, { refreshRoutes: watch.refresh })
    // the upstream accepts the key
    await ask()
  })

  afterEach(async () => {
    engine.release()
    watch.stop()
    await harness.close()
    await store.close()
    rmSync(dataDir, { recursive: true })
  })

  it('approve: the very next request is answered by the lora', async () => {
    expect(await isAnswered()).toBe(false)
    expect(await decide('/internalizations/a/approve')).toBe(200)
    expect(await isAnswered()).toBe(true)
  })

  it('rollback: an answer that the lora was making is not given any more', async () => {
    await decide('/internalizations/a/approve')
    engine.isHeld = true
    const asked = [ask(), ask('is it lost'), ask('when')]
    await eventually(() => engine.asked.length === 3)
    expect(await decide('/internalizations/a/rollback')).toBe(200)
    engine.release()
    for (const { route, reason, text, status } of await Promise.all(asked)) {
      expect([status, route, reason]).toEqual([200, 'fallback', 'route-gone'])
      expect(JSON.parse(text)).toEqual(completion('from the upstream'))
    }
  })

  it('approve: an answer of the lora that was replaced meanwhile is not given either', async () => {
    await decide('/internalizations/a/approve')
    await store.internalizations.create(approved('b'))
    engine.isHeld = true
    const asked = ask()
    await eventually(() => engine.asked.length === 1)
    expect(await decide('/internalizations/b/approve')).toBe(200)
    engine.release()
    expect(await asked).toMatchObject({ route: 'fallback', reason: 'route-gone' })
    expect((await ask()).text).toContain(LORA_ANSWER)
  })

  it('about another template leaves the answers of this one alone', async () => {
    await decide('/internalizations/a/approve')
    engine.isHeld = true
    const asked = ask()
    await eventually(() => engine.asked.length === 1)
    const other = { ...TEMPLATE, version: 'version-2', model: 'gpt-9' }
    await store.templates.upsert([other])
    await store.internalizations.create({ ...approved('c'), templateVersion: 'version-2' })
    expect(await decide('/internalizations/c/approve')).toBe(200)
    engine.release()
    expect(await asked).toMatchObject({ route: 'answered' })
  })

  it('that does not take effect at once is not answered with 200, and takes effect later', async () => {
    await decide('/internalizations/a/approve')
    const { revision } = store.routes
    store.routes.revision = () => Promise.reject(new AppError('store-unavailable', 'gone'))
    expect(await decide('/internalizations/a/rollback')).toBe(503)
    expect(harness.faults.map(({ kind }) => kind)).toContain('snapshot')
    store.routes.revision = revision
    await eventually(async () => !(await isAnswered()))
  })
})
