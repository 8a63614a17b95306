import { sayReason } from '../../../src/core/reasons/say-reason.ts'
import { describe, expect, it } from 'vitest'
import {
  admissionReason,
  admit,
  allowedMisses,
  isCaught,
  isFalseAlarm,
  judgeObjection,
  type AdmissionInput,
  type JudgeIdentity,
} from '../../../src/core/judge/admission.ts'
import type { FieldRule } from '../../../src/core/answer/field-rules.ts'
import { FAULTS, type Fault } from '../../../src/core/judge/planted-faults.ts'
import { promiseText } from '../../../src/core/judge/promise.ts'
import type { PeopleFigures } from '../../../src/core/judge/people.ts'

const JUDGE: JudgeIdentity = {
  model: 'judge-large',
  version: 'judge-large-2026-11/fp_1',
  rubric: 'same-answer-1',
  rubricDigest: 'ab'.repeat(32),
}

const admissionOf = (missed: Partial<Record<Fault, number>>, rest: Partial<AdmissionInput> = {}) =>
  admit({
    judge: JUDGE,
    faults: FAULTS.map((fault) => ({ fault, planted: 200, caught: 200 - (missed[fault] ?? 0) })),
    fair: { pairs: 200, alarms: 4 },
    earlierTries: 0,
    ...rest,
  })

const watchedBy = (admission: ReturnType<typeof admit>): Fault[] =>
  admission.faults.filter(({ isWatched }) => isWatched).map(({ fault }) => fault)

describe('a class of faults', () => {
  it('is watched with four of 200 missed, by an exact bound, and not with five', () => {
    const { faults } = admissionOf({ number: 4, date: 5 })
    expect(faults.find(({ fault }) => fault === 'number')).toMatchObject({ isWatched: true })
    expect(faults.find(({ fault }) => fault === 'date')).toMatchObject({ isWatched: false })
    for (const { isWatched, bound } of faults) expect(bound >= 0.95).toBe(isWatched)
  })

  it.each([
    [200, 0.05, 4],
    [200, 0.04, 4],
    [200, 0.008, 2],
    [59, 0.05, 0],
    [58, 0.05, -1],
    [0, 0.05, -1],
  ])('of %i faults at a level of %d may miss %i', (planted, level, misses) => {
    expect(allowedMisses(planted, level)).toBe(misses)
  })

  it('is not watched where it was not planted, and says so', () => {
    const admission = admissionOf({}, { faults: [{ fault: 'number', planted: 200, caught: 200 }] })
    expect(watchedBy(admission)).toEqual(['number'])
    expect(admission.isAdmitted).toBe(true)
  })

  it('has an error of its own, and one of all classes together', () => {
    expect(admissionOf({}).familyError).toBeCloseTo(9 * 0.02645, 3)
  })
})

describe('an admission', () => {
  it('allows false alarms up to an upper bound of 10 %', () => {
    expect(admissionOf({}, { fair: { pairs: 200, alarms: 12 } }).isAdmitted).toBe(true)
    const refused = admissionOf({}, { fair: { pairs: 200, alarms: 13 } })
    expect(refused.isAdmitted).toBe(false)
    expect(sayReason(admissionReason(refused)).says).toBe(
      'the judge is not admitted: it rejects 13 of 200 second answers of the upstream, which may be 10.4 % of all; 10.0 % are allowed'
    )
    expect(admissionOf({}, { fair: { pairs: 0, alarms: 0 } }).isAdmitted).toBe(false)
  })

  it('has its reason in figures', () => {
    const admission = admissionOf({}, { fair: { pairs: 200, alarms: 3 } })
    expect(admissionReason(admission)).toEqual({
      code: 'judge-admitted',
      figures: { pairs: 200, alarms: 3, least: 0.95, faults: watchedBy(admission) },
    })
  })

  it('refuses a judge that watches no class', () => {
    const blind = Object.fromEntries(FAULTS.map((fault) => [fault, 20]))
    const refused = admissionOf(blind)
    expect(refused.isAdmitted).toBe(false)
    expect(admissionReason(refused)).toEqual({ code: 'judge-misses', figures: { least: 0.95 } })
  })

  it('refuses one that gives no verdict, flips, or says always the same', () => {
    for (const verdict of ['none', 'flipped', 'same'] as const) {
      const caught = isCaught(verdict) ? 200 : 0
      const admission = admissionOf(
        {},
        {
          faults: FAULTS.map((fault) => ({ fault, planted: 200, caught })),
          fair: { pairs: 200, alarms: isFalseAlarm(verdict) ? 200 : 0 },
        }
      )
      expect(admission.isAdmitted).toBe(false)
    }
  })

  it('has less level in each further try', () => {
    expect(watchedBy(admissionOf({ number: 3 }, { earlierTries: 1 }))).not.toContain('number')
  })

  it('does not hold where the judge was refused', () => {
    const refused = admissionOf({}, { fair: { pairs: 200, alarms: 100 } })
    expect(judgeObjection({ admission: admissionOf({}), hindrance: null })).toBeNull()
    expect(judgeObjection({ admission: null, hindrance: null })).toEqual({
      code: 'judge-unfinished',
      figures: {},
    })
    expect(judgeObjection({ admission: refused, hindrance: null })).toMatchObject({
      code: 'judge-alarms',
      figures: { pairs: 200, alarms: 100 },
    })
  })
})

const RATED: PeopleFigures = {
  wanted: 300,
  rated: 300,
  bad: 5,
  effectiveRows: 300,
  upperBound: 0.035,
  result: 'proved',
  level: 0.04,
}
const USERS = {
  bad: { lora: 0.1, audit: 0.08 },
  conversations: { lora: 60, audit: 40 },
  interval: [-0.1, 0.14] as [number, number],
  missing: 1_900,
}
const promise = (facts: Partial<Parameters<typeof promiseText>[0]> = {}) =>
  promiseText({
    admission: admissionOf({ date: 12 }),
    margin: 0.05,
    people: null,
    users: USERS,
    ...facts,
  })

const ruleOf = (path: string, kind: 'written' | 'free'): FieldRule => ({
  path,
  rule: { kind },
  by: 'cli',
  why: 'a test',
  at: 0,
})

describe('the promise in words', () => {
  it('names the judge, what it catches, what not, and what is not claimed', () => {
    expect(promise()).toEqual([
      'Judge judge-large (version judge-large-2026-11/fp_1, rubric same-answer-1) rejects at most 5 points more of ' +
        "this route's answers than of a second answer of the upstream, at 95 %. An answer with a fact that " +
        "neither the upstream's answer nor the request states counts as rejected.",
      'judge-large catches at least 95 % of these planted faults, of each class at 95 %: number, name, negation, ' +
        'omission, invention, other-answer, language, format; not watched: date (188 of 200 caught).',
      'Nothing is claimed about people before 300 ratings.',
      'Nothing is claimed about users before 2000 outcomes (100 so far).',
    ])
  })

  it('names the fields that the judge compares, and the rules for the others', () => {
    const fields = [
      ruleOf('reply', 'written'),
      ruleOf('id', 'free'),
      ruleOf('notes[].text', 'written'),
    ]
    expect(promise({ fields })[0]).toMatch(
      / It compares these fields of the answers: reply, notes\[\]\.text\. All other fields must be equal, under the rules: id free\.$/
    )
    expect(promise({ fields: fields.slice(0, 1) })[0]).toMatch(
      /reply\. All other fields must be equal\.$/
    )
    expect(promise({ fields: fields.slice(1, 2) })).toEqual(promise())
  })

  it('names the people where they have rated enough', () => {
    expect(promise({ people: RATED })[2]).toBe(
      'People: 5 of 300 answers that people rated blind are bad, so at most 5 % of all are, at 95 %.'
    )
    expect(promise({ people: { ...RATED, rated: 120, bad: 1, result: 'open' } })[2]).toMatch(
      /^Nothing is claimed about people before 300 ratings: 1 of 120/
    )
    expect(
      promise({ people: { ...RATED, bad: 12, upperBound: 0.067, result: 'not-proved' } })[2]
    ).toBe(
      'Nothing is claimed about people: 12 of 300 answers that people rated blind are bad, and up to 6.7 % of all ' +
        'may be.'
    )
  })

  it('names the users where their outcomes tell a difference', () => {
    expect(promise({ users: { ...USERS, missing: null } })[3]).toBe(
      'Nothing is claimed about users: 100 outcomes do not tell how many are needed.'
    )
    expect(promise({ users: { ...USERS, missing: 0 } })[3]).toBe(
      "Users: 10.0 % of 60 rated conversations of the lora's side are bad, 8.0 % of 40 audited ones, a difference of " +
        '+2.0 points (-10.0 to +14.0) at 95 %.'
    )
  })

  it('says that no outcomes are reported', () => {
    expect(promise({ users: null })[3]).toMatch(/^Nothing is claimed about users: /)
  })
})
