import { describe, expect, it } from 'vitest'
import { findForm } from '../../src/core/form/find-form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { wordsOf } from '../../src/core/form/words.ts'
import { seededRandom } from '../../src/random.ts'
import { rowOf } from '../kit/form-grammars.ts'

/** The words before tagged ones. */
const wordsBefore = (row: FormRow, tags: Int32Array): string[] => {
  const words = wordsOf(row.sources[0]!.text)
  return words.flatMap((_, at) => (at > 0 && tags[at]! % 2 === 1 ? [words[at - 1]!.text] : []))
}

const random = seededRandom(4)
const below = (count: number): number => Math.floor(random() * count)

describe('a value at several places', () => {
  it('is tagged where the field usually stands', () => {
    const rows = Array.from({ length: 200 }, () => {
      const [adults, room] = [1 + below(30), 1 + below(30)]
      const text =
        below(2) === 0
          ? `room ${room} please, we are ${adults} adults`
          : `we are ${adults} adults in room ${room}`
      return rowOf(text, { adults, room })
    })
    const { form } = findForm(rows)!
    for (const text of ['room 7 please, we are 7 adults', 'we are 7 adults in room 7']) {
      const row = rowOf(text, { adults: 7, room: 7 })
      const { tags } = readTargets(form, row)!
      const words = wordsOf(text)
      expect(tags[words.findIndex((word) => word.text === 'room') + 1]).toBe(3)
      expect(tags[words.findIndex((word) => word.text === 'are') + 1]).toBe(1)
    }
  })

  it('is tagged at the first place where nothing tells them apart', () => {
    const rows = Array.from({ length: 60 }, (_, at) => {
      const code = `A${1000 + at}`
      return rowOf(`${code} ${code}`, { code })
    })
    const { form, explained } = findForm(rows)!
    expect(explained).toBe(1)
    expect([...readTargets(form, rows[0]!)!.tags]).toEqual([1, 2, 0, 0])
  })

  it('is not tagged at a place of another field', () => {
    const rows = Array.from({ length: 100 }, () => {
      const [from, to] = [below(9), below(9)]
      return rowOf(`from gate ${from} to gate ${to}`, { from: String(from), to: String(to) })
    })
    const found = findForm(rows)!
    expect(found.explained).toBe(1)
    const row = rowOf('from gate 5 to gate 5', { from: '5', to: '5' })
    expect([...readTargets(found.form, row)!.tags]).toEqual([0, 0, 1, 0, 0, 3])
  })

  it('is not tagged within a longer number or code', () => {
    const rows = Array.from({ length: 100 }, () => {
      const count = 1 + below(9)
      return rowOf(`${count}.5 m of AB${count} on 2026-0${count}-01, so ${count} times`, { count })
    })
    const { form } = findForm(rows)!
    expect(wordsBefore(rows[0]!, readTargets(form, rows[0]!)!.tags)).toEqual(['so'])
  })

  it('is not tagged where a default stands beside unusual words', () => {
    const rows = Array.from({ length: 300 }, (_, at) => {
      const [count, door] = [2 + below(8), 1 + below(40)]
      if (at % 3 === 0) return rowOf(`send some pens to door ${door}`, { count: 1 })
      return rowOf(`send ${count} pens to door ${door}`, { count })
    })
    const { form } = findForm(rows)!
    const row = rowOf('send some pens to door 1', { count: 1 })
    expect(wordsBefore(row, readTargets(form, row)!.tags)).toEqual([])
    const said = rowOf('send 1 pens to door 1', { count: 1 })
    expect(wordsBefore(said, readTargets(form, said)!.tags)).toEqual(['send'])
  })

  it('is of two fields where a single answer of the log has two values', () => {
    const rows = Array.from({ length: 1000 }, (_, at) => {
      const from = `T${at * 7}Q`
      const to = at === 17 ? 'T5Q' : from
      return rowOf(`send it from ${from} and bill it to ${to} please`, { from, to })
    })
    const { form } = findForm(rows)!
    const row = rowOf('send it from T8Q and bill it to T9Q please', { from: 'T8Q', to: 'T9Q' })
    expect(wordsBefore(row, readTargets(form, row)!.tags)).toEqual(['from', 'to'])
  })

  it('keeps no rare words of the messages in the form', () => {
    const rows = Array.from({ length: 200 }, (_, at) =>
      rowOf(`Person${at} orders item ${at * 7} for Guest${at % 150}`, { item: at * 7 })
    )
    const { form } = findForm(rows)!
    expect(JSON.stringify(form)).not.toMatch(/person\d|guest\d/i)
  })
})
