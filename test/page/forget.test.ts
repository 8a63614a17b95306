/** Forgetting: first a look, then a decision, and never by a person who only looks. */
import { beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { forgetTasks } from '../../src/lifecycle/forget-task.ts'
import {
  exampleApproved,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { usePage } from './harness.ts'

describe('forgetting', () => {
  let refreshes: number
  const page = usePage({ refreshRoutes: async () => void refreshes++ })

  beforeEach(async () => {
    refreshes = 0
    await page.store.templates.upsert([exampleTemplate()])
    await page.store.records.append(
      batchOf([1, 2, 3].map((at) => exampleRecord(at, at === 3 ? { tenant: 'tenant-b' } : {})))
    )
  })

  const look = async (fields: Record<string, string>): Promise<string> =>
    (await page.submit('/admin/forget', '/admin/forget/look', fields)).text()

  const left = async (): Promise<string[]> =>
    (await page.store.records.list({ limit: 9 })).map(({ id }) => id)

  /** Trained on the records 1 and 2, and live. */
  const goLive = async () => {
    await page.store.internalizations.create(
      exampleApproved('internalization-1', { state: LIVE_STATE })
    )
    await page.store.routes.put({ ...exampleRoute(), internalizationId: 'internalization-1' })
  }

  it.each([
    ['of a tenant', { tenant: 'tenant-b' }, ['record-1', 'record-2']],
    ['by their ids', { records: ' record-1,\nrecord-2 unknown ' }, ['record-3']],
    [
      'that match every field',
      { tenant: 'tenant-a', records: 'record-2 record-3' },
      ['record-1', 'record-3'],
    ],
  ])('deletes the records %s after it showed how many they are', async (_name, fields, stay) => {
    const looked = await look(fields)
    expect(looked).toContain(`<strong>${3 - stay.length} record`)
    expect(await left()).toHaveLength(3)
    const done = await page.submit(looked, '/admin/forget')
    expect(done.status).toBe(200)
    expect(await done.text()).toContain(`${3 - stay.length} record`)
    expect(await left()).toEqual(stay)
  })

  it('names the loras that were trained on them, and leaves these unless it is told to retire them', async () => {
    await goLive()
    const looked = await look({ records: 'record-1' })
    expect(looked).toContain('Loras were trained on some of them')
    expect(looked).toContain('href="/admin/internalizations/internalization-1"')
    const done = await (await page.submit(looked, '/admin/forget')).text()
    expect(done).toContain('still contain what they learned')
    expect(await page.store.routes.list()).toHaveLength(1)
    expect(refreshes).toBe(0)
  })

  it('takes the routes back at once where it is told to, in the name of the person', async () => {
    await page.signIn(undefined, 'Ada')
    await goLive()
    const looked = await look({ records: 'record-1' })
    await page.submit(looked, '/admin/forget', { retire: 'yes' })
    expect(await page.store.routes.list()).toEqual([])
    expect(refreshes).toBe(1)
    const history = await page.store.internalizations.history('internalization-1')
    expect(history.at(-1)).toMatchObject({ to: { name: 'retired' }, by: 'admin (Ada)' })
  })

  it('says while the worker has work left', async () => {
    expect(await page.view('/admin/forget')).not.toContain('has not finished')
    await page.submit(await look({ tenant: 'tenant-a' }), '/admin/forget')
    expect(await forgetTasks(page.store)).toHaveLength(1)
    expect(await page.view('/admin/forget')).toContain('1 earlier forget request yet')
  })

  it('is refused without a selection, and for more ids than can be looked for', async () => {
    const ids = Array.from({ length: 1_001 }, (_, at) => String(at)).join(' ')
    const selections: Record<string, string>[] = [{ tenant: ' ' }, { records: ids }]
    for (const fields of selections) {
      const response = await page.submit('/admin/forget', '/admin/forget/look', fields)
      expect(response.status).toBe(400)
    }
    expect(await left()).toHaveLength(3)
  })

  it('begins with what an address selects, escaped', async () => {
    const markup = await page.view(
      `/admin/forget?tenant=${encodeURIComponent('"><b>x')}&records=r1`
    )
    expect(markup).toContain('value="&quot;&gt;&lt;b&gt;x"')
    expect(markup).toMatch(/<textarea[^>]*>r1<\/textarea>/)
  })
})
