import { describe, expect, it } from 'vitest'
import { array, assert, constantFrom, property, string } from 'fast-check'
import type { Language } from '../../src/core/answer/answer-rules.ts'
import { keyOf } from '../../src/core/facts/atom.ts'
import { compareFacts } from '../../src/core/facts/compare.ts'
import { factsOf } from '../../src/core/facts/facts.ts'
import { languageOf } from '../../src/core/facts/languages.ts'
import { indexKnown, inventedFacts, knownFacts } from '../../src/core/facts/known.ts'
import { DOMAINS } from '../kit/facts/domains.ts'
import { drawPairs } from '../kit/facts/pairs.ts'
import { Draw } from '../kit/form-grammars.ts'
import { factorOfTenfold } from '../kit/linear.ts'

const keys = (text: string, language?: Language): string[] =>
  factsOf(text, language)
    .atoms.filter(({ kind }) => kind !== 'quote')
    .map(keyOf)

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

  it.each<[string, Language, string]>([
    ['3 March 2026', 'en', 'date:2026-03-03'],
    ['March 3rd, 2026', 'en', 'date:2026-03-03'],
    ['the 3rd of March 2026', 'en', 'date:2026-03-03'],
    ['3. März 2026', 'de', 'date:2026-03-03'],
    ['03.03.26', 'de', 'date:2026-03-03'],
    ['le 1er mars 2026', 'fr', 'date:2026-03-01'],
    ['el 3 de marzo de 2026', 'es', 'date:2026-03-03'],
    ['il 3 marzo 2026', 'it', 'date:2026-03-03'],
    ['2026-03-03', 'en', 'date:2026-03-03'],
    ['on 3 March', 'en', 'date:--03-03'],
    ['in March 2026', 'en', 'date:2026-03'],
    ['05/03/2026', 'fr', 'date:2026-03-05'],
    ['2:30 pm', 'en', 'time:14:30'],
    ['14.30 Uhr', 'de', 'time:14:30'],
    ['14 h 30', 'fr', 'time:14:30'],
    ['le total est à 3\u202f186,47 €', 'fr', 'number:3186.47 EUR'],
    ['venez à 9 h', 'fr', 'time:09:00'],
    ['venga a las 9', 'es', 'time:09:00'],
    ['at noon', 'en', 'time:12:00'],
    ['5 %', 'en', 'number:5 %'],
    ['5 pour cent', 'fr', 'number:5 %'],
    ['2.5 million', 'en', 'number:2500000'],
    ['500mg', 'en', 'number:0.5 g'],
    ['0,5 g', 'de', 'number:0.5 g'],
    ['two hours', 'en', 'number:7200 s'],
    ['120 Minuten', 'de', 'number:7200 s'],
    ['−5 °C', 'en', 'number:-5 °C'],
    ['order #ORD-12345', 'en', 'identifier:ORD12345'],
    ['seat 7B', 'en', 'identifier:7B'],
    ['version 2.10.3', 'en', 'identifier:2103'],
    ['550e8400-e29b-41d4-a716-446655440000', 'en', 'identifier:550E8400E29B41D4A716446655440000'],
    ['Mail A@Example.com.', 'en', 'email:a@example.com'],
    ['https://www.Example.com/Help/.', 'en', 'url:example.com/Help'],
    ['+49 30 1234567', 'de', 'phone:49301234567'],
    ['set max_items', 'en', 'code:max_items'],
    ['call parseDate()', 'en', 'code:parseDate()'],
    ['`a b`', 'en', 'code:a b'],
    ['please ask Anna Keller', 'en', 'name:anna keller'],
    ['mit Frau Keller', 'de', 'name:keller'],
    ['on Monday', 'en', 'date:W1'],
    ['not later than tomorrow', 'en', 'date:today+1'],
  ])('of %s', (text, language, form) => {
    expect(keys(text, language)).toEqual([form])
  })

  it('leaves German nouns, first words and functions out of the names', () => {
    expect(keys('Die Rechnung ist da. Bitte zahlen Sie den Betrag.', 'de')).toEqual([])
    expect(keys('Please pay. Refunds take time, I think.', 'en')).toEqual([])
  })

  it('keeps an invalid day as numbers, and says nothing of an empty text', () => {
    expect(keys('31.02.2026', 'de').some((key) => key.startsWith('date:'))).toBe(false)
    expect(keys('')).toEqual([])
  })

  it('knows the language by function words, or not at all', () => {
    expect(languageOf('Your order was shipped to the address.')).toBe('en')
    expect(languageOf('Die Bestellung wurde nicht geliefert.')).toBe('de')
    expect(languageOf("Votre commande n'est pas arrivée.")).toBe('fr')
    expect(languageOf('El pedido no ha llegado.')).toBe('es')
    expect(languageOf("L'ordine non è arrivato.")).toBe('it')
    expect(languageOf('Zamówienie nie zostało wysłane.')).toBeNull()
    expect(languageOf('O pedido está no armazém e não foi enviado.')).toBeNull()
    expect(languageOf('De bestelling is niet verzonden.')).toBeNull()
    expect(languageOf('')).toBeNull()
  })

  it('are idempotent: a written normal form is read as itself', () => {
    const forms = ['number', 'date', 'time', 'identifier', 'email', 'url', 'phone']
    for (const { logged } of drawPairs(new Draw(5), DOMAINS, 50, false))
      for (const atom of factsOf(logged).atoms.filter(({ kind }) => forms.includes(kind))) {
        if (atom.kind === 'phone' || atom.form.startsWith('W')) continue
        expect(keys(` ${atom.form} `, 'en')).toContain(keyOf(atom))
      }
  })
})

const lost = (answer: string, logged: string, request = ''): boolean =>
  compareFacts({ answer, logged, request }).isLoss

describe('compareFacts', () => {
  it('tells approved from not approved, both ways', () => {
    expect(lost('approved', 'not approved')).toBe(true)
    expect(lost('Your request was not approved.', 'Your request was approved.')).toBe(true)
    expect(lost('Ihr Antrag wurde genehmigt.', 'Ihr Antrag wurde nicht genehmigt.')).toBe(true)
    expect(lost("Votre demande n'est pas acceptée.", 'Votre demande est acceptée.')).toBe(true)
    expect(lost('We declined your request.', 'We approved your request.')).toBe(true)
    expect(lost('Non, la livraison est gratuite.', "La livraison n'est pas gratuite.")).toBe(true)
    expect(lost('Shipping is available.', 'No, shipping is not available.')).toBe(true)
    expect(lost('Es entstehen keine Kosten.', 'Der Dienst ist kostenlos.')).toBe(false)
    expect(lost("We couldn't approve it.", 'It was not approved.')).toBe(false)
    expect(lost('Please do not hesitate to call us.', 'Please call us.')).toBe(false)
  })

  it('finds a negation that moved to the other clause', () => {
    const logged = 'A refund is not possible, but an exchange is possible.'
    expect(lost('A refund is possible, but an exchange is not possible.', logged)).toBe(true)
    expect(lost('An exchange is possible, but a refund is not possible.', logged)).toBe(false)
  })

  it('names what is in neither text, and apart what is missing', () => {
    const { inventions, omissions, isLoss } = compareFacts({
      answer: 'You get 20 EUR back.',
      logged: 'You get 30 EUR back by 3 March 2026.',
      request: '{"amount": 30}',
    })
    expect(inventions.map(keyOf)).toEqual(['number:20 EUR'])
    expect(omissions.map(keyOf)).toEqual(['date:2026-03-03', 'number:30 EUR'])
    expect(isLoss).toBe(true)
  })

  it('takes an omission alone for no loss', () => {
    const logged = 'The fee is 30 EUR and is due on 3 March 2026.'
    expect(compareFacts({ answer: 'The fee is 30 EUR.', logged, request: '' })).toMatchObject({
      isLoss: false,
      omissions: [{ form: '2026-03-03' }],
    })
  })

  it('takes what follows from a more exact atom for stated', () => {
    const request = '{"at":"2026-03-03T14:00:00Z","total":30,"currency":"EUR","by":"keller, anna"}'
    expect(lost('On Tuesday, 3 March, at 2 pm you pay 30 EUR to Anna Keller.', '', request)).toBe(
      false
    )
    expect(lost('On Monday, 3 March, you pay.', '', request)).toBe(true)
    expect(lost('You pay 30 USD.', 'You pay 30 EUR.', '')).toBe(true)
  })

  it('says that negation is not watched in an unknown language', () => {
    const answer = 'Zamówienie 12 nie zostało wysłane'
    const { isNegationWatched, isLoss } = compareFacts({
      answer,
      logged: 'Zamówienie 12 zostało wysłane',
      request: '',
    })
    expect({ isNegationWatched, isLoss }).toEqual({ isNegationWatched: false, isLoss: false })
    expect(lost('Zamówienie 13', 'Zamówienie 12')).toBe(true)
  })

  it('does not depend on the order of sentences', () => {
    for (const { request, logged } of drawPairs(new Draw(6), DOMAINS, 50, false)) {
      const answer = logged
        .split(/(?<=[a-z]\.) /u)
        .toReversed()
        .join(' ')
      expect(compareFacts({ answer, logged, request }).inventions).toEqual([])
    }
  })

  it('never throws, and an answer equal to the logged one is no loss', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(compareFacts({ answer: text, logged: text, request: '' })).toMatchObject({
          inventions: [],
          omissions: [],
          negations: [],
        })
      })
    )
    const parts = constantFrom(
      'not ',
      '12',
      ',',
      '.',
      '3 March ',
      'Anna ',
      '"',
      '`',
      '€',
      ' ',
      ':',
      'h',
      '-',
      '/'
    )
    assert(
      property(array(parts, { maxLength: 30 }), (pieces) => {
        const text = `the ${pieces.join('')}`
        expect(lost(text, text)).toBe(false)
      })
    )
  })
})

describe('known facts', () => {
  const exchanges = [1, 2, 3].map((at) => ({
    request: `Order ${at}000${at}: where is it?`,
    answer: `Order ${at}000${at} will arrive within 14 days. Track it at https://shop.example/track. It was not lost.`,
  }))
  const known = knownFacts(exchanges)

  it('are what at least three answers state and their requests do not', () => {
    expect(known).toEqual({
      language: 'en',
      atoms: ['negation:lost', 'number:14 d', 'url:shop.example/track'],
    })
    expect(knownFacts(exchanges.slice(1)).atoms).toEqual([])
    expect(knownFacts([...exchanges.slice(1), ...exchanges.slice(1)]).atoms).toEqual([])
  })

  it('are bounded, and survive JSON', () => {
    expect(knownFacts(exchanges, { maxChars: 30 }).atoms.join('').length).toBeLessThanOrEqual(30)
    expect(JSON.parse(JSON.stringify(known))).toEqual(known)
  })

  const invented = (answer: string): string[] =>
    inventedFacts({ answer, request: 'Order 70007: where is it?', known: indexKnown(known) }).map(
      keyOf
    )

  it('let an answer pass that states nothing else', () => {
    expect(
      invented('Order 70007 arrives in two weeks, see shop.example/track. It was not lost.')
    ).toEqual([])
    expect(invented('Order 70007 arrives within 15 days.')).toEqual(['number:1296000 s'])
    expect(invented('Order 80008 arrives within 14 days.')).toEqual(['number:80008'])
    expect(invented('We will not deliver it.')).toEqual(['negation:deliv'])
  })

  it('have the facts of the prompt, however often they are asked', () => {
    const ofPrompt = indexKnown(knownFacts([]), 'Say "keep upright" for glass. The fee is 5 EUR.')
    const answer = 'The fee is 5 EUR, "keep upright".'
    for (let at = 0; at < 300; at++)
      expect(inventedFacts({ answer, request: '', known: ofPrompt })).toEqual([])
  })
})

const repeated = (part: string) => (size: number) => part.repeat(Math.ceil(size / part.length))
const compared = (text: string) =>
  compareFacts({ answer: text, logged: `not ${text}`, request: '' })

describe('time', () => {
  /** linear is 10 */
  const MOST = 40

  it.each(
    '1 0 1, 1. 12: 12/ 1- “ ` Anna- a. a@ a- €  http:// www. (0 n’t A1 A_ aB aB- „a « . 0.0 #'
      .split(' ')
      .map((part) => [part])
  )('is linear in the length of %j repeated', (part) => {
    const make = repeated(part === '' ? '\n ' : part)
    expect(factorOfTenfold({ size: 10_000, make, run: factsOf }, 20)).toBeLessThan(MOST)
  })

  it.each([['not '], ['"'], ['Anna '], ['"a" '], ['1 '], ['12. '], ['+49 '], ['3 March ']])(
    'of a comparison is linear in the length of %j repeated',
    (part) => {
      expect(
        factorOfTenfold({ size: 10_000, make: repeated(part), run: compared }, 20)
      ).toBeLessThan(MOST)
    }
  )
})
