import { describe, expect, it } from 'vitest'
import {
  FAULTS,
  FAULTS_OF_A_CLASS,
  plantFault,
  plantFaults,
  type Fault,
} from '../../../src/core/judge/planted-faults.ts'
import { seededRandom } from '../../../src/random.ts'
import { drawReplies, LANGUAGES } from '../../kit/judge/replies.ts'

const answersIn = (language: string, count: number) => {
  const random = seededRandom(7)
  const replies = Array.from({ length: count }, () => drawReplies(language, random))
  return replies.map(({ second }, i) => ({
    texts: [second],
    others: [replies[(i + 1) % count]!.second],
  }))
}

const plant = (fault: Fault, text: string, other = 'Another answer.', seed = 1) =>
  plantFault(fault, { text, other }, seededRandom(seed))

const wordsOf = (text: string): string[] => text.split(/\s+/)
const changed = (text: string, faulty: string): string[] => {
  const before = wordsOf(text)
  return wordsOf(faulty).filter((word, i) => word !== before[i])
}

describe.each(Object.keys(LANGUAGES))('replies in %s', (language) => {
  const answers = answersIn(language, 260)
  const pairs = answers.map(({ texts: [text = ''], others: [other = ''] }) => ({ text, other }))

  it('have every fault, 200 times, each in another answer and never equal to it', () => {
    const planted = plantFaults(answers, 5)
    for (const fault of FAULTS) {
      const ofFault = planted.filter((one) => one.fault === fault)
      expect([fault, ofFault.length]).toEqual([fault, FAULTS_OF_A_CLASS])
      expect(new Set(ofFault.map(({ place }) => place)).size).toBe(FAULTS_OF_A_CLASS)
      for (const { place, texts } of ofFault) expect(texts).not.toEqual(answers[place]!.texts)
    }
  })

  it('have one word changed by a number, a name or a date', () => {
    for (const fault of ['number', 'name', 'date'] as const)
      for (const [i, answer] of pairs.entries()) {
        const faulty = plantFault(fault, answer, seededRandom(i))!
        expect(wordsOf(faulty)).toHaveLength(wordsOf(answer.text).length)
        expect(changed(answer.text, faulty)).toHaveLength(1)
      }
  })

  it('lose a fact with a sentence, and gain some with an invention', () => {
    for (const [i, answer] of pairs.entries()) {
      const omitted = plantFault('omission', answer, seededRandom(i))!
      expect(wordsOf(omitted).every((word) => answer.text.includes(word))).toBe(true)
      expect(omitted.match(/\d+/g)?.length ?? 0).toBeLessThan(answer.text.match(/\d+/g)!.length)
      expect(plantFault('invention', answer, seededRandom(i))).toMatch(/R-\d{4}/)
    }
  })
})

const NOTES = ['No digits here.', 'The total is 5 EUR.', 'Nothing either.'] as const

/** Texts of the notes with a fault. */
const plantedIn = (wanted: Fault, others: readonly string[] | null) =>
  plantFaults([{ texts: NOTES, others }], 1).flatMap(({ fault, texts }) =>
    fault === wanted ? [texts] : []
  )

describe('an answer with several texts', () => {
  it('has a fault in one text that it can change', () => {
    const changedTotal = expect.stringMatching(/^The total is [^5] EUR\.$/)
    expect(plantedIn('number', null)).toEqual([[NOTES[0], changedTotal, NOTES[2]]])
  })

  it('has all texts of another answer, in their places, and none without one', () => {
    const others = [NOTES[0], 'The total is 7 EUR.', NOTES[2]]
    expect(plantedIn('other-answer', others)).toEqual([others])
    expect(plantedIn('other-answer', null)).toEqual([])
    expect(plantedIn('other-answer', NOTES)).toEqual([])
  })
})

describe('a fault', () => {
  it.each<[Fault, string, string | RegExp]>([
    ['number', 'The total is 5 EUR.', /^The total is [1-9] EUR\.$/],
    [
      'number',
      '1. Open the box.\n2. Take 3 screws.',
      /^1\. Open the box\.\n2\. Take [124-9] screws\.$/,
    ],
    [
      'name',
      'Ask Keller about it, and thank Keller.',
      /^Ask (?!Keller)(\w+) about it, and thank \1\.$/,
    ],
    ['date', 'It is due on 2026-03-14.', /^It is due on 2026-(?!03)\d\d-14\.$/],
    ['date', 'Come on Monday.', /^Come on (?!Monday)\w+day\.$/],
    ['negation', 'Your claim is not approved.', 'Your claim is approved.'],
    [
      'negation',
      'Your claim is approved and it was the last.',
      /^Your claim is(n't| not)? approved and it was( not)? the last\.$/,
    ],
    ['negation', 'The card cannot be used with this code.', 'The card can be used with this code.'],
    [
      'negation',
      'Der Antrag wird nicht bewilligt, und Sie sind informiert.',
      'Der Antrag wird bewilligt, und Sie sind informiert.',
    ],
    [
      'negation',
      "Le dossier n'est pas complet pour votre demande.",
      'Le dossier est complet pour votre demande.',
    ],
    ['omission', 'Hello. Pay 30 EUR. Bye.', 'Hello. Bye.'],
    ['other-answer', 'One.', 'Another answer.'],
    ['language', 'We will send it to you on 4 May with the bill.', /: May\.$/],
    ['format', 'Plain text.', '{"answer":"Plain text."}'],
    ['format', '{"total":5}', '{"total":5'],
    ['format', '- one\n- two', 'one two'],
  ])('%s in %j', (fault, text, expected) => {
    const faulty = plant(fault, text)!
    expect(faulty).toMatch(expected)
    expect(faulty).not.toBe(text)
  })

  it.each<[Fault, string, string?]>([
    ['number', 'No digits here.'],
    ['number', 'Due on 2026-03-14, see A-12.'],
    ['name', 'Nothing is capitalized within it.'],
    ['date', 'The total is 5 EUR, and you may pay.'],
    ['negation', 'Lorem ipsum dolor sit amet.'],
    ['omission', 'One sentence with 5 EUR.'],
    ['omission', 'Pay 5 EUR. We said 5 EUR.'],
    ['invention', '注文は発送されました。'],
    ['invention', '{"text":"The order is with you and we will call."}'],
    ['language', '注文は発送されました。'],
    ['other-answer', 'One.', 'One. '],
    ['other-answer', 'One.', ' '],
  ])('%s has nothing to change in %j', (fault, text, other) => {
    for (let seed = 0; seed < 10; seed++) expect(plant(fault, text, other, seed)).toBeNull()
  })

  it('is the same for the same seed', () => {
    const answers = answersIn('en', 50)
    expect(plantFaults(answers, 3)).toEqual(plantFaults(answers, 3))
    expect(plantFaults(answers, 3)).not.toEqual(plantFaults(answers, 4))
  })
})
