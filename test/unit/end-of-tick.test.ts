import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { atEndOfTick } from '../../src/proxy/upstream/upstream-answer.ts'

describe('atEndOfTick', () => {
  it('runs what was put off in one turn together, in order, and not before', async () => {
    const done: string[] = []
    atEndOfTick(() => done.push('first'))
    await Promise.resolve()
    process.nextTick(() => atEndOfTick(() => done.push('second')))
    await Promise.resolve()
    expect(done).toEqual([])
    await nextTick()
    expect(done).toEqual(['first', 'second'])
  })

  it('leaves what the work itself puts off to the next turn', async () => {
    const done: string[] = []
    atEndOfTick(() => {
      done.push('now')
      atEndOfTick(() => done.push('later'))
    })
    await nextTick()
    expect(done).toEqual(['now'])
    await nextTick()
    expect(done).toEqual(['now', 'later'])
  })
})
