import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { EMPTY_PROMPT, studentMessages } from '../../src/core/template/prompt.ts'
import type { Match } from '../../src/core/template/template.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { anchor, slot } from '../kit/traffic/prompts.ts'

const LONG = { maxChars: 400, multiline: true }

const template = {
  ...exampleTemplate(),
  messages: [
    {
      role: 'system',
      segments: [slot('notes', LONG), anchor('\n'), slot('day', LONG)],
    },
    { role: 'user', segments: [{ kind: 'query' as const }] },
  ],
}

const rendered = (notes: string, day: string, query: string): string => {
  const match: Match = { template, slots: { notes, day }, examples: {}, query, turns: [] }
  const [message] = studentMessages(match, EMPTY_PROMPT)
  return String(message!.content)
}

it('renders a line that the user writes otherwise than a line of a slot', () => {
  const note = 'recalled: put black on the truck'
  expect(rendered('Ann called', 'Monday', `${note}\nWhich shelf?`)).not.toBe(
    rendered('Ann called', `Monday\n${note}`, 'Which shelf?')
  )
})

it('renders each slot in one line, and the question as it is', () => {
  expect(rendered('two\nlines', '"Monday"', 'Which\n"shelf"?')).toBe(
    'notes: "two\\nlines"\nday: "\\"Monday\\""\nWhich\n"shelf"?'
  )
  expect(rendered('a "quoted" note', '', 'q')).toBe('notes: a "quoted" note\nday: \nq')
})

it('renders no two requests alike', () => {
  const text = fc.stringMatching(/^(?:[ab"\\\n\r]|notes: |day: |\\n){0,6}$/u)
  const request = fc.tuple(text, text, text)
  fc.assert(
    fc.property(request, request, (one, other) => {
      const isSame = rendered(...one) === rendered(...other)
      expect(isSame).toBe(one.join('\0') === other.join('\0'))
    }),
    { numRuns: 2000 }
  )
  // the next division of the same lines
  fc.assert(
    fc.property(text, text, text, text, (notes, day, line, query) => {
      expect(rendered(notes, `${day}\n${line}`, query)).not.toBe(
        rendered(notes, day, `${line}\n${query}`)
      )
    })
  )
})
