import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { atEndOfTurn } from '../../src/proxy/upstream/end-of-turn.ts'

describe('atEndOfTurn', () => {
  it('runs what was put off in one turn together, in order, and not before', async () => {
    const done: string[] = []
    atEndOfTurn(() => done.push('first'))
    await Promise.resolve()
    process.nextTick(() => atEndOfTurn(() => done.push('second')))
    await Promise.resolve()
    expect(done).toEqual([])
    await nextTurn()
    expect(done).toEqual(['first', 'second'])
  })

  it('leaves what the work itself puts off to the next turn', async () => {
    const done: string[] = []
    atEndOfTurn(() => {
      done.push('now')
      atEndOfTurn(() => done.push('later'))
    })
    await nextTurn()
    expect(done).toEqual(['now'])
    await nextTurn()
    expect(done).toEqual(['now', 'later'])
  })
})
