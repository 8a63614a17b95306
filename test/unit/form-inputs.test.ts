/** Answers that come back from a sure tagger, whatever is in the requests. */
import { describe, expect, it } from 'vitest'
import { decodeTargets } from '../../src/core/form/decode-targets.ts'
import { describeForm } from '../../src/core/form/describe-form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import type { Form } from '../../src/core/form/form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { beginOf, insideOf } from '../../src/core/form/targets.ts'
import { wordsOf } from '../../src/core/form/words.ts'
import { ODD_VALUES, grammarRows, rowOf } from '../kit/form-grammars.ts'
import { sureScores } from '../kit/form-scores.ts'

/** The answer of a tagger that is sure of what the logged answer says; null: the form does not explain it. */
const answered = (form: Form, row: FormRow): string | null => {
  const targets = readTargets(form, row)
  if (targets === null) return null
  const decoded = decodeTargets(form, row.sources, sureScores(form, targets))
  return renderAnswer(form, row.sources, decoded.targets)
}

const expectAnswers = (rows: readonly FormRow[]): void => {
  const found = findForm(rows)
  expect(found?.explained).toBe(1)
  for (const row of rows.slice(0, 12)) expect(answered(found!.form, row)).toBe(row.answer)
}

describe('answers come back', () => {
  it.each(ODD_VALUES)('with the value %j', (value) => {
    // the form is found in plain names; the value is the one of a request that comes later
    const plain = Array.from({ length: 40 }, (_, at) => {
      const name = `Kim ${String.fromCharCode(65 + (at % 26))}. Lee${at}`
      return rowOf(`Please book a table for «${name}» at ${at}`, { name, at })
    })
    const { form } = findForm(plain)!
    const row = rowOf(`Please book a table for «${value}» at 7`, { name: value, at: 7 })
    expect(answered(form, row)).toBe(row.answer)
  })

  it('where a value stands twice in the request', () => {
    const rows = Array.from({ length: 60 }, (_, at) => {
      const [from, to] = [`${at % 9}`, `${at % 7}`]
      return rowOf(`${to} of us. Move ${from} boxes to shelf ${to}, shelf ${to} please`, {
        from,
        to,
      })
    })
    expectAnswers(rows)
  })

  it('with 200 fields', () => {
    const rows = Array.from({ length: 24 }, (_, at) => {
      const entries = Array.from({ length: 200 }, (_entry, field) => [
        `f${field}`,
        `V${at}x${field}`,
      ])
      return rowOf(
        entries.map(([name, value]) => `${name}=${value}`).join(' '),
        Object.fromEntries(entries)
      )
    })
    expectAnswers(rows)
  })

  it('with a field of 500 values', () => {
    const rows = Array.from({ length: 1_000 }, (_, at) => {
      const town = `Town ${(at * 7) % 500}`
      return rowOf(`to ${town} by train ${at}`, { town, train: at })
    })
    expectAnswers(rows)
  })

  it('of requests of 3,000 tokens', () => {
    const filler = 'We wrote on May 3 that one of the 2 boxes was late, and now it is here. '
    const rows = grammarRows('invoice', 60).map((row) => ({
      ...row,
      sources: [
        { name: 'query', text: filler.repeat(130) + row.sources[0]!.text + filler.repeat(20) },
      ],
    }))
    expect(rows[0]!.sources[0]!.text.split(/\s+/).length).toBeGreaterThan(2_300)
    expectAnswers(rows)
  })

  it('where one of ten answers is no JSON, and such an answer is never given', () => {
    const rows = Array.from({ length: 100 }, (_, at) =>
      at % 10 === 0
        ? { ...rowOf(`what ${at}`, ''), answer: `Sorry, ${'very '.repeat(at)}unclear.` }
        : rowOf(`order ${at * 7919}`, { order: String(at * 7919) })
    )
    const { form, explained } = findForm(rows)!
    expect(explained).toBeCloseTo(0.9)
    for (const row of rows)
      expect(answered(form, row)).toBe(row.answer.startsWith('{') ? row.answer : null)
  })
})

/** The answer of a tagger that is sure of where the first fields' values are. */
const filled = (form: Form, text: string, values: readonly string[]): string | null => {
  const words = wordsOf(text)
  const tags = new Int32Array(words.length)
  for (const [field, value] of values.entries()) {
    const start = text.indexOf(value)
    const own = words.filter((word) => word.start >= start && word.end <= start + value.length)
    for (const word of own)
      tags[words.indexOf(word)] = word.start === start ? beginOf(field) : insideOf(field)
  }
  const sources = [{ name: 'query', text }]
  const scores = sureScores(form, { tags, choices: new Int32Array(0) })
  return renderAnswer(form, sources, decodeTargets(form, sources, scores).targets)
}

const wordAt = (at: number): string =>
  `${String.fromCharCode(65 + (at % 26))}${'aeiou'[Math.floor(at / 26)]!}mo`

describe('a value in a text of a language', () => {
  const LANGUAGES: [string, write: (name: string, town: string) => string, odd: string[]][] = [
    [
      'SQL',
      (name, town) => `SELECT * FROM people WHERE name = '${name}' AND town = '${town}'`,
      ["O'Brien", "Kim' OR 'a' = 'a", 'Kim\\'],
    ],
    [
      'XML',
      (name, town) => `<who><name>${name}</name><town>${town}</town></who>`,
      ['Kim & Lee', 'Kim</name><admin/><name>Lee'],
    ],
    [
      'lines of JSON',
      (name, town) => `{"name": "${name}"}\n{"town": "${town}"}`,
      ['"Kim" Lee', 'Kim", "admin": "yes'],
    ],
    ['CSV', (name, town) => `name,town\n${name},${town}`, ['Kim, Lee']],
  ]

  it.each(LANGUAGES)('is not given unescaped: %s', (_, write, odd) => {
    const rows = Array.from({ length: 60 }, (_row, at) => ({
      ...rowOf(`find ${wordAt(at)} who lives in ${wordAt(at + 60)} please`, ''),
      answer: write(wordAt(at), wordAt(at + 60)),
    }))
    const { form } = findForm(rows)!
    expect(filled(form, 'find Lee who lives in York please', ['Lee', 'York'])).toBe(
      write('Lee', 'York')
    )
    for (const name of odd)
      expect(filled(form, `find ${name} who lives in York please`, [name, 'York'])).toBeNull()
  })

  it('has the marks that logged values had', () => {
    const rows = Array.from({ length: 60 }, (_, at) => {
      const [name, town] = [at % 5 === 0 ? `O'${wordAt(at)}` : wordAt(at), wordAt(at + 60)]
      return {
        ...rowOf(`find ${name} who lives in ${town} please`, ''),
        answer: `Dear ${name}, we will write to you in ${town} soon.`,
      }
    })
    const { form } = findForm(rows)!
    const text = "find O'Brien who lives in York please"
    expect(filled(form, text, ["O'Brien", 'York'])).toBe(
      "Dear O'Brien, we will write to you in York soon."
    )
  })
})

const MONTHS = ['March', 'April', 'May', 'June', 'July']
const dayAt = (at: number): { year: number; month: number; day: number } => ({
  year: 2020 + (at % 7),
  month: 3 + (at % 5),
  day: 1 + ((at * 5) % 28),
})
const two = (number: number): string => String(number).padStart(2, '0')
const dated = (write: (at: number) => string): FormRow[] =>
  Array.from({ length: 120 }, (_, at) => {
    const { year, month, day } = dayAt(at)
    return rowOf(`come on ${write(at)} please`, { date: `${year}-${two(month)}-${two(day)}` })
  })
const inWords = (at: number): string => {
  const { year, month, day } = dayAt(at)
  return `${MONTHS[month - 3]} ${day}, ${year}`
}
const monthFirst = (at: number): string => {
  const { year, month, day } = dayAt(at)
  return `${month}/${day}/${year}`
}
const paid = (write: (at: number) => string): FormRow[] =>
  Array.from({ length: 120 }, (_, at) => rowOf(`pay ${write(at)} Euro`, { amount: 1_000 + at }))

describe('a value that may be read in two ways', () => {
  it('gives no answer where the log has only values that are read in one', () => {
    const { form } = findForm(dated(inWords))!
    expect(filled(form, 'come on 4 May 2031 please', ['4 May 2031'])).toBe('{"date":"2031-05-04"}')
    expect(filled(form, 'come on 05/04/2031 please', ['05/04/2031'])).toBeNull()
    const plain = findForm(paid((at) => (at % 2 ? `0${1_000 + at}` : String(1_000 + at))))!
    expect(filled(plain.form, 'pay 02500 Euro', ['02500'])).toBe('{"amount":2500}')
    // a part of it is as unlikely as the tagger is sure of the whole
    expect(describeForm(plain.form)[0]!.rules).toEqual(['plain-number'])
  })

  it('is no time of a clock of 24 hours, and no amount with a mark, after a log without them', () => {
    const hours = findForm(
      Array.from({ length: 120 }, (_, at) =>
        rowOf(`call at ${1 + (at % 11)}:${10 + (at % 50)} pm`, {
          time: `${13 + (at % 11)}:${10 + (at % 50)}`,
        })
      )
    )!
    expect(filled(hours.form, 'call at 7:30 pm', ['7:30 pm'])).toBe('{"time":"19:30"}')
    expect(filled(hours.form, 'call at 7:30', ['7:30'])).toBeNull()
    const sums = findForm(
      Array.from({ length: 120 }, (_, at) =>
        rowOf(`pay ${1_000 + at} Euro`, { amount: `EUR ${1_000 + at}` })
      )
    )!
    expect(filled(sums.form, 'pay 2500 Euro', ['2500 Euro'])).toBe('{"amount":"EUR 2500"}')
    expect(describeForm(sums.form)[0]!.rules).toEqual(['code-and-amount'])
  })

  it('is read as the log shows', () => {
    const { form } = findForm(dated((at) => (at % 10 ? inWords(at) : monthFirst(at))))!
    expect(filled(form, 'come on 05/04/2031 please', ['05/04/2031'])).toBe('{"date":"2031-05-04"}')
    const sums = findForm(
      paid((at) => (at % 10 ? String(1_000 + at) : `1,${String(at).padStart(3, '0')}`))
    )!
    expect(filled(sums.form, 'pay 2,500 Euro', ['2,500'])).toBe('{"amount":2500}')
  })
})
