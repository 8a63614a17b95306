import { describe, expect, it } from 'vitest'
import { array, assert, constantFrom, property, string } from 'fast-check'
import { keyOf } from '../../src/core/facts/atom.ts'
import { factsOf, inventedBeside } from '../../src/core/facts/facts.ts'
import { indexKnown, inventedFacts, knownFacts } from '../../src/core/facts/known.ts'
import { factorOfTenfold } from '../kit/linear.ts'

const keys = (text: string): string[] =>
  factsOf(text)
    .atoms.filter(({ kind }) => kind !== 'quote' && kind !== 'name')
    .map(keyOf)

/** Each with several kinds of facts, in three languages. */
const LOGGED = [
  'Good morning Sofia Girard! Your stay in Verona begins on 2027-03-16 and lasts 26 nights (booking 5764419). You owe CHF 3782.85, with breakfast included. We have recorded your wish "pay by card".',
  'Invoice 7125351 over GBP 28.74 was due on 2020-11-12. We have received your payment. After 29 days a fee of 40 % applies. Contact: help3@www-hotel.example.net, +49 30 7552995.',
  'Course RE-2026-5464 starts on 07/22/2023 at 10:50 in Toulouse, taught by Ignacio Silva. There are 4 seats. Beginners are admitted. Enrol at https://www.academy.example.org/status/691/ within 2 days.',
  'Release 4.54.0 (09/11/2026), change 5101728 by Giulia Ferrari: 42% less memory. Support for isEnabled continues after 18 d. Documentation is at https://academy.example.org/track/439.',
  'Vielen Dank, Ignacio Andersson. Die Buchung C-447/36 umfasst 52 Nächte in Bristol ab dem 14.05.2027. Frühstück ist inbegriffen. Der Gesamtpreis beträgt 1.914,52 EUR. Notierter Wunsch: „late arrival“.',
  'Laut unseren Unterlagen sind 1.082,45 GBP für die Rechnung BK918090 offen, fällig am 27.11.2026. Das Geld haben wir erhalten. Verstreichen 26 Tage, kommen 33% hinzu. Die Buchhaltung erreichen Sie unter +49 89 6107201 oder desk0@docs.devtool.io.',
  'Der Kurs RE-2026-0523 beginnt am 08.03.2020 um 16.55 Uhr in Toulouse, Leitung: Sofia Romero. Es gibt 29 Plätze. Anfänger sind zugelassen. Melden Sie sich innerhalb von 12 Tagen unter https://billing.example.com/track/044 an.',
  "Nous nous réjouissons d'accueillir Mateo Weber à Bilbao le 10/09/2020. Référence C-085/14, 39 nuits, EUR 1001,97 au total. La demande « bring a laptop » a été transmise. Le prix inclut le petit-déjeuner.",
  'Votre professeur Tobias Iglesias ouvre le cours C-081/15 à Palermo le 09/12/2024, 18h25. Le groupe compte 60 places et les débutants peuvent participer. Il vous reste 10 jours pour vous inscrire : https://www.www-hotel.example.net/status/270/',
  'Le 2022-05-12, nous avons publié 4.45.0. La mémoire a baissé de 65% grâce à Henrik Novák (changement 9354756). Après 13 jours, `batch_size` restera maintenue. Notes : https://docs.devtool.io/faq/523',
]

describe('normal forms', () => {
  it.each([
    '€1,234.50',
    '1,234.50 EUR',
    '1.234,50 €',
    '1 234,50 euros',
    '1\u202f234,50 €',
    '1234,50 Euro',
    'EUR 1234.5',
    "EUR 1'234.50",
    'EUR1234.50',
  ])('of one amount are equal: %s', (text) => {
    expect(keys(text)).toEqual(['number:1234.5 EUR'])
  })

  it.each<[string, ...forms: string[]]>([
    ['03.03.26', 'date:2026-03-03'],
    ['2026-03-03', 'date:2026-03-03'],
    ['05/03/2026', 'date:2026-05-03'],
    ['13/03/2026', 'date:2026-03-13'],
    ['bis 03.05.', 'date:--05-03'],
    ['2:30 pm', 'time:14:30'],
    ['14.30 Uhr', 'time:14:30'],
    ['14 h 30', 'time:14:30'],
    ['le total est à 3\u202f186,47 €', 'number:3186.47 EUR'],
    ['3 March 2026', 'number:3', 'number:2026'],
    ['5 %', 'number:5 %'],
    ['5 percent', 'number:5 %'],
    ['2.5 million', 'number:2500000'],
    ['500mg', 'number:0.5 g'],
    ['0,5 g', 'number:0.5 g'],
    ['120 min', 'number:7200 s'],
    ['−5 °C', 'number:-5 °C'],
    ['order #ORD-12345', 'identifier:ORD12345'],
    ['seat 7B', 'identifier:7B'],
    ['version 2.10.3', 'identifier:2103'],
    ['550e8400-e29b-41d4-a716-446655440000', 'identifier:550E8400E29B41D4A716446655440000'],
    ['Mail A@Example.com.', 'email:a@example.com'],
    ['https://www.Example.com/Help/.', 'url:example.com/Help'],
    ['+49 30 1234567', 'phone:49301234567'],
    ['set max_items', 'code:max_items'],
    ['call parseDate()', 'code:parseDate()'],
    ['`a b`', 'code:a b'],
  ])('of %s', (text, ...forms) => {
    expect(keys(text)).toEqual(forms)
  })

  it('keeps an invalid day as numbers, and says nothing of an empty text', () => {
    expect(keys('31.02.2026').some((key) => key.startsWith('date:'))).toBe(false)
    expect(keys('')).toEqual([])
  })

  it('are idempotent: a written normal form is read as itself', () => {
    const forms = ['number', 'date', 'time', 'identifier', 'email', 'url', 'phone']
    for (const logged of LOGGED)
      for (const atom of factsOf(logged).atoms.filter(({ kind }) => forms.includes(kind))) {
        // digits alone are a number
        if (atom.kind === 'phone' || keyOf(atom).match(/^identifier:\d+$/)) continue
        expect(keys(` ${atom.form} `)).toContain(keyOf(atom))
      }
  })
})

const invented = (answer: string, logged: string, request = '') =>
  inventedBeside(answer, { logged, request: factsOf(request) })

const lost = (answer: string, logged: string, request = ''): boolean =>
  invented(answer, logged, request).length > 0

describe('what neither the logged answer nor the request states', () => {
  it('is a loss, and what is missing is none', () => {
    const logged = 'You get 30 EUR back by 03.03.2026.'
    expect(invented('You get 20 EUR back.', logged, '{"amount": 30}').map(keyOf)).toEqual([
      'number:20 EUR',
    ])
    expect(lost('You get 30 EUR back.', logged)).toBe(false)
  })

  it('is not what follows from a more exact atom', () => {
    const request = '{"at":"2026-03-03T14:00:00Z","total":30,"currency":"EUR","by":"keller, anna"}'
    expect(lost('On Tuesday, 3 March, at 2 pm you pay 30 EUR to Anna Keller.', '', request)).toBe(
      false
    )
    expect(lost('You pay 30 USD.', 'You pay 30 EUR.')).toBe(true)
  })

  it('is another date, but not one whose month is a word elsewhere', () => {
    expect(lost('by 2026-04-03', 'by 2026-03-03')).toBe(true)
    expect(lost('by 2026-03-04', 'by 3 March 2026')).toBe(true)
    expect(lost('by 2026-03-03', 'by 3 March 2026')).toBe(false)
    expect(lost('by 3 March 2026', 'by 03/03/2026')).toBe(false)
    expect(lost('by 4 March 2026', 'by 03/03/2026')).toBe(true)
  })

  it('is a name that is copied wrong, in any language, and no other word', () => {
    const request = '{"name":"Marek Kowalczyk","city":"Zürich"}'
    for (const wrong of ['Kowalzyk', 'Kowallczyk', 'Kovalczyk', 'Kowaclzyk'])
      expect(invented(`Dear Marek ${wrong},`, '', request).map(keyOf)).toEqual([
        `name:${wrong.toLowerCase()}`,
      ])
    expect(lost('Guten Tag Marek Kowalczyk, Ihre Bestellung geht nach ZURICH.', '', request)).toBe(
      false
    )
    // another ending, another word, another name: a judge says whether they are right
    expect(lost('Kowalczyks Termin mit Anna Schmidt', 'Kowalczyk', request)).toBe(false)
    expect(lost('an Kowalczyka', 'Kowalczyk', request)).toBe(false)
    // a first word of a sentence, and another first letter
    expect(lost('These are two. There is more, Could you see?', '', 'Those? Where? Would')).toBe(
      false
    )
    expect(lost('to Mr. Kowalzyk (Zürrich)', '', request)).toBe(true)
  })

  it('is no negation: that is for a judge', () => {
    expect(lost('Your request was not approved.', 'Your request was approved.')).toBe(false)
  })

  it('does not depend on the order of sentences', () => {
    for (const logged of LOGGED) {
      const answer = logged
        .split(/(?<=[a-z]\.) /u)
        .toReversed()
        .join(' ')
      expect(invented(answer, logged)).toEqual([])
    }
  })

  it('never throws, and an answer equal to the logged one is no loss', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(invented(text, text)).toEqual([])
      })
    )
    const pieces = ['not ', '12', ',', '.', '3.4. ', 'Keller ', '"', '`', '€', ' ', ':', 'h', '/']
    const parts = constantFrom('-', ...pieces)
    assert(
      property(array(parts, { maxLength: 30 }), (drawn) => {
        const text = `the ${drawn.join('')}`
        expect(lost(text, text)).toBe(false)
      })
    )
  })
})

describe('known facts', () => {
  const exchanges = [1, 2, 3].map((at) => ({
    request: `Order ${at}000${at}: where is it?`,
    answer: `Order ${at}000${at} will arrive within 14 days. Track it at https://shop.example/track.`,
  }))
  const known = knownFacts(exchanges)

  it('are what at least three answers state and their requests do not', () => {
    expect(known).toEqual({ atoms: ['number:14 d', 'url:shop.example/track'] })
    expect(knownFacts(exchanges.slice(1)).atoms).toEqual([])
    expect(knownFacts([...exchanges.slice(1), ...exchanges.slice(1)]).atoms).toEqual([])
  })

  it('are bounded, and survive JSON', () => {
    expect(knownFacts(exchanges, { maxChars: 30 }).atoms.join('').length).toBeLessThanOrEqual(30)
    expect(JSON.parse(JSON.stringify(known))).toEqual(known)
  })

  const ofAsked = (answer: string): string[] =>
    inventedFacts(answer, {
      request: factsOf('Order 70007: where is it?'),
      known: indexKnown(known),
    }).map(keyOf)

  it('let an answer pass that states nothing else', () => {
    expect(ofAsked('Order 70007 arrives in 2 weeks, see shop.example/track.')).toEqual([])
    expect(ofAsked('Order 70007 arrives within 15 days.')).toEqual(['number:1296000 s'])
    expect(ofAsked('Order 80008 arrives within 14 days.')).toEqual(['number:80008'])
  })

  it('have the facts of the prompt, however often they are asked', () => {
    const ofPrompt = indexKnown(knownFacts([]), 'Say "keep upright" for glass. The fee is 5 EUR.')
    const answer = 'The fee is 5 EUR, "keep upright".'
    for (let at = 0; at < 300; at++)
      expect(inventedFacts(answer, { request: factsOf(''), known: ofPrompt })).toEqual([])
  })
})

const repeated = (part: string) => (size: number) => part.repeat(Math.ceil(size / part.length))
const compared = (text: string) => lost(text, `Kellner ${text}`)

describe('time', () => {
  /** linear is 10 */
  const MOST = 40

  it.each(
    '1 0 1, 1. 12: 12/ 1- “ ` Keller- a. a@ a- €  http:// www. (0 A1 A_ aB aB- „a « . 0.0 #'
      .split(' ')
      .map((part) => [part])
  )('is linear in the length of %j repeated', (part) => {
    const make = repeated(part === '' ? '\n ' : part)
    expect(factorOfTenfold({ size: 10_000, make, run: factsOf }, 20)).toBeLessThan(MOST)
  })

  it.each([['"'], ['Keller '], ['"a" '], ['1 '], ['12. '], ['+49 '], ['03.04.2026 ']])(
    'of a comparison is linear in the length of %j repeated',
    (part) => {
      expect(
        factorOfTenfold({ size: 10_000, make: repeated(part), run: compared }, 20)
      ).toBeLessThan(MOST)
    }
  )
})
