/** Prompts as clients really send them: text in parts, names, dates in prose, long documents, sections of tenants. */
import { describe, expect, it } from 'vitest'
import { createDice, RULES, type Dice } from '../../bench/detect/applications.ts'
import { Detector, type Candidate } from '../../src/core/detect/detect.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import type { TemplateKey } from '../../src/core/template/template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'

const KEY: TemplateKey = { tenant: 'tenant', model: 'gpt', tools: '', responseFormat: '' }
const HOUR_MS = 3600 * 1000
const INSTRUCTIONS = RULES.join('\n')

const system = (content: ChatMessage['content']): ChatMessage => ({ role: 'system', content })
const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content })
const text = (content: string, fields: object = {}) => ({ type: 'text', text: content, ...fields })

type Make = (dice: Dice, index: number) => ChatMessage[]

const requests = (count: number, make: Make, from = 0): ChatMessage[][] => {
  const dice = createDice(from + 1)
  return Array.from({ length: count }, (_, index) => make(dice, from + index))
}

const found = (all: ChatMessage[][], hours = 1): Candidate[] => {
  const detector = new Detector()
  for (const [index, messages] of all.entries())
    detector.observe({
      key: KEY,
      messages,
      response: `label ${index % 3}`,
      at: index * hours * HOUR_MS,
    })
  return detector.candidates()
}

/** Share of requests that one of the templates matches. */
const matchedShare = (templates: Candidate[], all: ChatMessage[][]): number => {
  const matcher = compileMatcher(templates)
  return all.filter((messages) => matcher.match(KEY, messages) !== null).length / all.length
}

describe('messages in the forms that clients send', () => {
  it.each<[string, Make]>([
    [
      'text in parts with cache marks',
      (dice, index) => [
        system([
          text(INSTRUCTIONS, { cache_control: { type: 'ephemeral' } }),
          text(`Case ${index}`),
        ]),
        user([text('Letter:'), text(dice.sentence())]),
      ],
    ],
    [
      'a prompt that is split at another place in every other request',
      (dice, index) => {
        const cut = index % 2 === 0 ? 3 : 5
        const head = index % 3 === 0 ? [INSTRUCTIONS] : [RULES.slice(0, cut), RULES.slice(cut)]
        return [
          system(head.flat(0).map((each) => text([each].flat().join('\n')))),
          user(dice.sentence()),
        ]
      },
    ],
    [
      'names',
      (dice, index) => [
        { ...system(INSTRUCTIONS), name: 'router' },
        { ...user(dice.sentence()), name: `person-${index}` },
      ],
    ],
    [
      'instructions of a developer',
      (dice) => [{ role: 'developer', content: INSTRUCTIONS }, user(dice.sentence())],
    ],
    [
      'instructions of system and developer by turns',
      (dice, index) => [
        { role: index % 2 === 0 ? 'developer' : 'system', content: INSTRUCTIONS },
        user(dice.sentence()),
      ],
    ],
  ])('finds a prompt with %s', (_, make) => {
    const templates = found(requests(80, make))
    expect(templates).toHaveLength(1)
    expect(matchedShare(templates, requests(100, make, 80))).toBe(1)
  })

  it('finds the text-only requests of a prompt that mostly comes with an image or a file', () => {
    const other = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
    const file = { type: 'file', file: { file_id: 'f' } }
    const make: Make = (dice, index) => {
      const query = dice.sentence()
      const parts = [[text(query)], [text(query), other], [file, text(query)]][index % 3]!
      return [system(INSTRUCTIONS), user(parts)]
    }
    const templates = found(requests(120, make))
    expect(templates).toHaveLength(1)
    expect(matchedShare(templates, requests(90, make, 120))).toBeCloseTo(1 / 3)
  })
})
