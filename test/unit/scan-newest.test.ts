import { assert, integer, nat, property, uniqueArray } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Newest } from '../../src/core/scan/newest.ts'

interface Item {
  at: number
  id: string
}

const itemsAt = (times: number[]): Item[] => times.map((at, place) => ({ at, id: String(place) }))

const newestOf = (items: Item[], rows: number, bytes = Infinity): Item[] => {
  const newest = new Newest<Item>({ rows, bytes })
  for (const item of items) newest.add(item, 1)
  return newest.items()
}

describe('the newest items of a stream', () => {
  it('are those that sorting all of them by time gives, in any order of arrival', () => {
    assert(
      property(
        uniqueArray(nat(10_000), { maxLength: 200 }),
        integer({ min: 1, max: 20 }),
        (times, rows) => {
          const wanted = itemsAt(times)
            .toSorted((a, b) => a.at - b.at)
            .slice(-rows)
          expect(newestOf(itemsAt(times), rows)).toEqual(wanted)
        }
      )
    )
  })

  it('stay within the bytes, whichever limit is reached first', () => {
    expect(newestOf(itemsAt([1, 2, 3, 4, 5]), 100, 2).map(({ at }) => at)).toEqual([4, 5])
    expect(newestOf(itemsAt([1, 2, 3, 4, 5]), 1, 100).map(({ at }) => at)).toEqual([5])
  })

  it('are none where one item is larger than all may be', () => {
    const newest = new Newest<Item>({ rows: 10, bytes: 100 })
    newest.add({ at: 1, id: 'a' }, 1000)
    expect(newest.items()).toEqual([])
  })
})
