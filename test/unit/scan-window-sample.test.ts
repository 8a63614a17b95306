import { assert, integer, nat, property, uniqueArray } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WindowSample } from '../../src/core/scan/window-sample.ts'

interface Item {
  at: number
  id: string
}

const itemsAt = (times: number[]): Item[] => times.map((at, place) => ({ at, id: String(place) }))

const sampleOf = (items: Item[], from: number, rows: number, bytes = Infinity): Item[] => {
  const sample = new WindowSample<Item>({ rows, bytes }, from)
  for (const item of items) sample.add(item, 1)
  return sample.items()
}

describe('what is kept from before the window', () => {
  it('are the newest items, in any order of arrival', () => {
    assert(
      property(
        uniqueArray(nat(10_000), { maxLength: 200 }),
        integer({ min: 1, max: 20 }),
        (times, rows) => {
          const wanted = itemsAt(times)
            .toSorted((a, b) => a.at - b.at)
            .slice(-rows)
          expect(sampleOf(itemsAt(times), Infinity, rows)).toEqual(wanted)
        }
      )
    )
  })

  it('stays within the bytes, whichever limit is reached first', () => {
    const items = itemsAt([1, 2, 3, 4, 5])
    expect(sampleOf(items, Infinity, 100, 2).map(({ at }) => at)).toEqual([4, 5])
    expect(sampleOf(items, Infinity, 1, 100).map(({ at }) => at)).toEqual([5])
  })

  it('is nothing where one item is larger than all may be', () => {
    const sample = new WindowSample<Item>({ rows: 10, bytes: 100 }, Infinity)
    sample.add({ at: 1, id: 'a' }, 1000)
    expect(sample.items()).toEqual([])
  })

  it('only fills up what the window leaves', () => {
    const items = itemsAt([...Array(40).keys()])
    expect(sampleOf(items, 30, 15).map(({ at }) => at)).toEqual(
      [...Array(15).keys()].map((i) => 25 + i)
    )
  })
})

describe('what is kept of the window', () => {
  const HOURS = 10
  const items = itemsAt(Array.from({ length: 20_000 }, (_, i) => Math.floor(i / 2_000)))

  it('has as much of each hour, in time', () => {
    const kept = sampleOf(items, 0, 2_000).map(({ at }) => at)
    expect(kept).toHaveLength(2_000)
    expect(kept).toEqual(kept.toSorted((a, b) => a - b))
    for (let hour = 0; hour < HOURS; hour++) {
      const share = kept.filter((at) => at === hour).length / kept.length
      expect(share).toBeGreaterThan(0.07)
      expect(share).toBeLessThan(0.13)
    }
  })

  it('does not depend on the order of arrival', () => {
    expect(
      sampleOf(items.toReversed(), 0, 100)
        .map(({ id }) => id)
        .toSorted()
    ).toEqual(
      sampleOf(items, 0, 100)
        .map(({ id }) => id)
        .toSorted()
    )
  })
})
