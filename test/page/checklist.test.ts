/** The way of a new server from an empty log to a route, on its overview. */
import { beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import {
  exampleApproved,
  exampleInternalization,
  exampleRecord,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { exampleStatus } from '../kit/records/process-status.ts'
import { usePage } from './harness.ts'

describe('the checklist of the overview', () => {
  let engine: string
  const page = usePage({ status: () => ({ ...exampleStatus(), engine, routes: 0 }) })

  /** the mark and the name of each step, and the command of the next one */
  const steps = async () => {
    const markup = await page.view('/admin')
    const part = /<ol class="panel checklist">(.*?)<\/ol>/s.exec(markup)?.[1] ?? ''
    const marks = [...part.matchAll(/class="badge \w+">(\w+)<\/span> <strong>([^<]+)/g)]
    return {
      marks: marks.map(([, mark]) => mark),
      command: /<pre[^>]*>([^<]*)/.exec(part)?.[1] ?? null,
      part,
    }
  }

  beforeEach(() => {
    engine = 'onnx'
  })

  it('begins with a client, with the address of this server', async () => {
    const { marks, command } = await steps()
    expect(marks).toEqual(['next', 'later', 'later', 'later'])
    expect(command).toContain('OPENAI_BASE_URL=http://localhost/v1')
    expect(command).toContain('curl &quot;$OPENAI_BASE_URL/chat/completions&quot;')
  })

  it('goes on by itself, step by step, until a route is live', async () => {
    await page.store.records.append(batchOf([exampleRecord(1), exampleRecord(2)]))
    expect((await steps()).marks).toEqual(['done', 'next', 'later', 'later'])
    await page.store.templates.upsert([exampleTemplate()])
    await page.store.records.tagTemplate(['record-1', 'record-2'], 'version-1')
    const found = await steps()
    expect(found.marks).toEqual(['done', 'done', 'next', 'later'])
    expect(found.part).toContain('needs 998 more requests')
    expect(found.command).toBe('npx promptintern internalize version-1')
    await page.store.internalizations.create(exampleInternalization('first'))
    expect((await steps()).part).toContain('The worker trains and judges')
    await page.store.internalizations.create(
      exampleApproved('waiting', { templateVersion: 'version-2' })
    )
    const waiting = await steps()
    expect(waiting.marks).toEqual(['done', 'done', 'done', 'next'])
    expect(waiting.part).toContain('href="/admin/internalizations/waiting"')
    await page.store.internalizations.create(
      exampleApproved('live', { templateVersion: 'version-3', state: LIVE_STATE })
    )
    expect((await steps()).marks).toEqual([])
  })

  it('says when nothing can be trained, and how to change that', async () => {
    engine = 'none'
    await page.store.templates.upsert([exampleTemplate()])
    const { command, part } = await steps()
    expect(part).toContain('No engine is configured')
    expect(command).toContain('ENGINE=onnx')
  })
})
