import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createScreen, wrap } from '../../demo/screen.ts'
import { drawTraffic, interleave, withOneLetterChanged } from '../../demo/traffic.ts'
import { normalizeQuery } from '../../src/core/learn/dataset.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'

const SIZE = { applications: 2, logged: 60, fresh: 20, noise: 10 }
const queryOf = ({ messages }: ChatRequest): string => String(messages.at(-1)!.content)
const promptOf = ({ messages }: ChatRequest): string => String(messages[0]!.content)

describe("the demo's traffic", () => {
  it('is the same for the same seed, and other applications for another', () => {
    expect(drawTraffic('tiny', 1, SIZE)).toEqual(drawTraffic('tiny', 1, SIZE))
    const [one, other] = [1, 2].map((seed) => drawTraffic('tiny', seed, SIZE).applications[0]!)
    expect(promptOf(one!.logged[0]!)).not.toBe(promptOf(other!.logged[0]!))
  })

  it('has no fresh query that was logged, ignoring case and punctuation', () => {
    for (const { logged, fresh } of drawTraffic('tiny', 3, SIZE).applications) {
      const queries = [...logged, ...fresh].map((request) => normalizeQuery(queryOf(request)))
      expect(queries).toHaveLength(80)
      expect(new Set(queries).size).toBe(80)
    }
  })

  it('has one prompt per application, which differs only in the ticket', () => {
    const { applications } = drawTraffic('tiny', 4, SIZE)
    const withoutTicket = applications.map(({ logged }) => [
      ...new Set(logged.map((request) => promptOf(request).replace(/\nTicket \d+$/, ''))),
    ])
    expect(withoutTicket.map((prompts) => prompts.length)).toEqual([1, 1])
    expect(withoutTicket[0]).not.toEqual(withoutTicket[1])
  })

  it('spreads every list evenly', () => {
    const requests = ['a', 'b'].map((model, index) =>
      Array.from({ length: 10 * (index + 1) }, (): ChatRequest => ({ model, messages: [] }))
    )
    const mixed = interleave(requests).map(({ model }) => model)
    expect(mixed).toHaveLength(30)
    expect(mixed.slice(0, 15).filter((model) => model === 'a')).toHaveLength(5)
  })

  it('changes one letter of the prompt and nothing else', () => {
    const request = drawTraffic('tiny', 5, SIZE).applications[0]!.fresh[0]!
    const changed = withOneLetterChanged(request)
    const [before, after] = [promptOf(request), promptOf(changed)]
    expect(after).toHaveLength(before.length)
    expect([...after].filter((letter, index) => letter !== before[index])).toHaveLength(1)
    expect(queryOf(changed)).toBe(queryOf(request))
  })
})

/** The lines that a screen of the given width shows. */
const shown = (columns: number, isTTY: boolean): string[] => {
  const written: string[] = []
  const stream = { columns, isTTY, write: (text: string) => written.push(text) }
  const screen = createScreen(stream as unknown as NodeJS.WriteStream)
  screen.heading('1  A heading')
  screen.say('word '.repeat(60).trim())
  screen.quote(`system: first line\n${'x'.repeat(200)}`)
  screen.compare('prompt tokens', 600, 20)
  return written.join('').split('\n')
}

describe("the demo's screen", () => {
  it.each([80, 120])('keeps to %i columns', (columns) => {
    const lines = shown(columns, true).map(stripVTControlCharacters)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
    expect(lines.some((line) => line.length > columns - 10)).toBe(true)
  })

  it('writes plain text if the output is not a terminal', () => {
    const text = shown(80, false).join('')
    expect(text).toBe(stripVTControlCharacters(text))
  })

  it('wraps without losing a character', () => {
    const text = `a ${'b'.repeat(30)} c`
    expect(wrap(text, 10).join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
  })
})
