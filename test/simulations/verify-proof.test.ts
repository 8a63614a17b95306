/** A proof file holds as it was written, and does not when a number of it was changed. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FieldKind } from '../../src/core/answer/field-rules.ts'
import { admit } from '../../src/core/judge/admission.ts'
import { FAULTS } from '../../src/core/judge/planted-faults.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import { parseProof, verifyProof } from '../../src/core/proof/verify-proof.ts'
import { PROMISE } from '../../src/core/proof/verify-promise.ts'
import { AppError } from '../../src/errors.ts'
import { auditedPairs, exampleEvidenceFile, exampleFacts, resealed } from '../kit/records/facts.ts'
import { cpuMsOf } from '../kit/linear.ts'

const LIVE = exampleEvidenceFile({
  rollout: { pairs: auditedPairs(500, 200), decisions: [130, 290], isRolledBack: false },
})
const ROLLED_BACK = exampleEvidenceFile({
  rollout: { pairs: auditedPairs(400, 4), decisions: [60, 180], isRolledBack: true },
})
const AGAINST_LOG = exampleEvidenceFile({
  facts: exampleFacts({}, { rows: 800, isAsked: false }),
})
const REJECTED = exampleEvidenceFile({ facts: exampleFacts({}, { loss: 0.2 }) })

const SUCCESSOR = ((): ProofFile => {
  const { records } = exampleFacts()
  const traffic = records.filter(({ isTraffic }) => isTraffic)
  const rows = traffic.map(({ id, at, conversation }, i) => ({
    record: id,
    at,
    conversation,
    present:
      i % 10 === 0 ? ('wrong' as const) : i % 10 < 4 ? ('right' as const) : ('upstream' as const),
  }))
  return exampleEvidenceFile({
    facts: exampleFacts({ present: { id: 'before', hasDrifted: false, rows } }),
  })
})()

/** Names of the checks that fail; `refused` where a number is beyond the range that it may have. */
const failing = (file: unknown): string[] => {
  try {
    return verifyProof(file).checks.flatMap(({ name, holds }) => (holds ? [] : [name]))
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(AppError)
    return ['refused']
  }
}

type Path = (string | number)[]

/** Paths of all numbers below a value. */
const numbersIn = (value: unknown, path: Path = []): Path[] => {
  if (typeof value === 'number') return [path]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => numbersIn(inner, [...path, name]))
}

const at = (file: ProofFile, path: Path): unknown =>
  path.reduce((value, name) => (value as Record<string, unknown>)[name], file as unknown)

/** A copy with another value at a path. */
const changed = (file: ProofFile, path: Path, value: unknown): ProofFile => {
  const copy = structuredClone(file)
  const owner = at(copy, path.slice(0, -1)) as Record<string, unknown>
  owner[path.at(-1)!] = value
  return copy
}

/** Another number that a reader would take for it. */
const others = fc.constantFrom(
  (value: number) => value + 1,
  (value: number) => value - 0.001,
  (value: number) => -value - 1,
  (value: number) => value * 1.0001 + 1e-6
)

const FILES = { LIVE, ROLLED_BACK, AGAINST_LOG, REJECTED, SUCCESSOR }

const ruled = (...rules: [path: string, rule: FieldKind, why?: string][]): ProofFile => {
  const fields = rules.map(([path, rule, why = 'a test']) => ({
    path,
    rule,
    by: 'cli',
    why,
    at: 1,
  }))
  return exampleEvidenceFile({ facts: exampleFacts({ fields }) })
}

/** By a judge that has rejected so many of 200 second answers of the upstream, and missed one fault of each class. */
const judged = (
  alarms: number,
  { pairs, planted, caught } = { pairs: 200, planted: 200 - alarms, caught: 199 - alarms },
  answers: Pick<ProofFile['decision'], 'responseType' | 'fields'> = { responseType: 'free-text' }
): ProofFile =>
  exampleEvidenceFile({
    facts: exampleFacts({
      ...answers,
      judge: {
        admission: admit({
          judge: { model: 'judge', version: 'judge-1', rubric: 'r', rubricDigest: 'd' },
          faults: FAULTS.map((fault) => ({ fault, planted, caught })),
          fair: { pairs, alarms },
          earlierTries: 0,
        }),
        hindrance: null,
      },
    }),
  })

describe('a proof file', () => {
  it.each(Object.entries(FILES))('of %s holds as it was written', (_name, file) => {
    const { holds, checks } = verifyProof(file)
    expect(checks.filter((check) => !check.holds)).toEqual([])
    expect(holds).toBe(true)
    for (const { name, said } of checks) expect([name === '', said === '']).toEqual([false, false])
  })

  it('with rules for fields holds for a verifier who accepts them', () => {
    const rule = { path: 'id', rule: { kind: 'free' }, by: 'cli', why: 'generated', at: 1 } as const
    const file = exampleEvidenceFile({ facts: exampleFacts({ fields: [rule] }) })
    expect(failing(file)).toEqual(['promise'])
    const { holds, checks } = verifyProof(file, { ...PROMISE, acceptsFieldRules: true })
    expect(holds).toBe(true)
    expect(checks.find(({ name }) => name === 'promise')!.said).toContain(
      'rules for fields: id free'
    )
    expect(failing(changed(file, ['decision', 'fields', 0, 'path'], 'total'))).toContain('file')
    expect(failing(changed(file, ['decision', 'fields', 0, 'rule', 'kind'], 'near'))).toEqual([
      'refused',
    ])
    expect(failing(changed(file, ['decision', 'fields'], null))).toEqual(['refused'])
  })

  it('names every rule, and is refused with one that cannot be set', () => {
    const free = { kind: 'free' } as const
    const accepting = { ...PROMISE, acceptsFieldRules: true }
    const five = ruled(['a', free], ['b', free], ['c', free], ['d', free], ['total', free])
    const { holds, checks } = verifyProof(five, accepting)
    expect(holds).toBe(true)
    expect(checks.find(({ name }) => name === 'promise')!.said).toContain('d free, total free')
    for (const file of [
      ruled(['.', free]),
      ruled(['.', { kind: 'written' }]),
      ruled(['id', free, ' ']),
      ruled(['id free, total', free]),
      ruled(['a', { kind: 'rounded' } as FieldKind]),
    ])
      expect(() => verifyProof(file, accepting)).toThrow('a rule that cannot be set')
  })

  it('with written fields needs a verifier who accepts rules and judges, and names both', () => {
    const rule = { path: 'reply', rule: { kind: 'written' }, by: 'cli', why: 'x', at: 1 } as const
    const file = judged(3, undefined, { responseType: 'json', fields: [rule] })
    const accepting = { ...PROMISE, acceptsFieldRules: true, acceptsJudge: true }
    const { holds, checks } = verifyProof(file, accepting)
    expect(holds).toBe(true)
    expect(checks.find(({ name }) => name === 'promise')!.said).toMatch(
      /rules for fields: reply written, judge judge\. .* It compares these fields of the answers: reply\. All other fields/
    )
    for (const lacks of ['acceptsFieldRules', 'acceptsJudge'] as const)
      expect(verifyProof(file, { ...accepting, [lacks]: false }).holds).toBe(false)
    expect(failing(changed(file, ['decision', 'fields', 0, 'path'], 'id'))).toContain('file')
  })

  it('in which an arm streamed early, which is gone, is left to the version that wrote it', () => {
    const file = changed(LIVE, ['decision', 'arms', 0, 'streamsEarly'], true)
    expect(failing(file)).toEqual(['refused'])
    expect(() => verifyProof(file)).toThrow('use the version that wrote the file')
  })

  it('with a judge holds for a verifier who accepts one, and only as it was admitted', () => {
    const accepting = { ...PROMISE, acceptsJudge: true }
    const file = judged(3)
    expect(file.verdict.verdict).toBe('promote')
    expect(failing(file)).toEqual(['promise'])
    expect(verifyProof(file, accepting).holds).toBe(true)
    const forged = resealed(
      changed(file, ['decision', 'judge', 'admission', 'faults', 0, 'caught'], 150)
    )
    const { checks } = verifyProof(forged, accepting)
    expect(checks.flatMap(({ name, holds }) => (holds ? [] : [name]))).toEqual(['judge', 'verdict'])
    for (const counts of [
      { pairs: 200, planted: 100, caught: 101 },
      { pairs: 150, planted: 148, caught: 148 },
      { pairs: 100_000, planted: 200, caught: 200 },
    ])
      expect(failing(judged(3, counts))).toEqual(['promise', 'judge'])
    const half = { pairs: 200, planted: 100, caught: 99.5 }
    expect(failing(judged(3, half))).toEqual(['refused'])
    const refused = judged(30)
    expect(refused.verdict).toMatchObject({
      verdict: 'reject',
      reason: { code: 'judge-alarms', figures: { alarms: 30, pairs: 200 } },
    })
    expect(verifyProof(refused, accepting).holds).toBe(true)
  })

  it('of these tests has all that there is to verify', () => {
    const verdicts = Object.entries(FILES).map(([name, { verdict }]) => [name, verdict.verdict])
    expect(Object.fromEntries(verdicts)).toEqual({
      LIVE: 'promote',
      ROLLED_BACK: 'promote',
      AGAINST_LOG: 'promote',
      REJECTED: 'reject',
      SUCCESSOR: 'promote',
    })
    expect(LIVE.verdict.arm).toBe(1)
    expect(SUCCESSOR.verdict.replacement).toMatchObject({ rows: 300 })
    expect([LIVE.verdict.change, AGAINST_LOG.verdict.change]).toEqual([expect.anything(), null])
    expect(ROLLED_BACK.rollout!.report.evidence.rollback).toBeGreaterThan(Math.log(300))
    expect(verifyProof(LIVE).checks.map(({ name }) => name)).toEqual([
      'file',
      'promise',
      'training records',
      'held-out records',
      'separation',
      'samples',
      'rows of schedule',
      'rows of query-only',
      'verdict',
      'state',
      'losses',
      'outcomes',
      'feedback',
      'newest feedback',
      'bounds',
      'stages',
      'capitals',
      'evidence for canary 10 %',
      'evidence for canary 20 %',
      'newest evidence',
    ])
  })
})

describe('a number that was changed', () => {
  it.each(Object.entries(FILES))('anywhere in %s is found', (_name, file) => {
    const paths = numbersIn(file).filter(([first]) => first !== 'format')
    fc.assert(
      fc.property(fc.constantFrom(...paths), others, (path, other) => {
        const value = at(file, path) as number
        expect(['file', 'refused']).toContain(failing(changed(file, path, other(value)))[0])
      }),
      { numRuns: 8 }
    )
  })

  /** Where every number decides, or is a figure of what was decided. */
  const DECISIVE: [keyof typeof FILES, Path][] = [
    ['LIVE', ['verdict']],
    ['AGAINST_LOG', ['verdict']],
    ['REJECTED', ['verdict']],
    ['SUCCESSOR', ['verdict']],
    ['LIVE', ['decision', 'margin']],
    ['LIVE', ['decision', 'alpha']],
    ['LIVE', ['decision', 'minCoverage']],
    ['LIVE', ['decision', 'favouredArm']],
    ['LIVE', ['decision', 'counts']],
    ['LIVE', ['rollout', 'report', 'evidence']],
    ['LIVE', ['history', '2', 'evidence']],
    ['ROLLED_BACK', ['history', '3', 'evidence']],
    ['ROLLED_BACK', ['rollout', 'report', 'evidence']],
    ['LIVE', ['rollout', 'report', 'feedback', 'bad']],
    ['LIVE', ['rollout', 'report', 'feedback', 'interval']],
    ['LIVE', ['rollout', 'feedback', 'blocks', '4', 'lora', 'bad']],
  ]

  it.each(DECISIVE)('is found in %s, %j, also if the digests are made anew', (name, below) => {
    const file = FILES[name]
    const paths = numbersIn(at(file, below), below)
    expect(paths.length).toBeGreaterThan(0)
    fc.assert(
      fc.property(fc.constantFrom(...paths), others, (path, other) => {
        const value = at(file, path) as number
        expect(failing(resealed(changed(file, path, other(value))))).not.toEqual([])
      }),
      { numRuns: 15 }
    )
  })

  it('is found in an answer that the verdict depends on, also if the digests are made anew', () => {
    const { confidence, threshold } = LIVE.verdict.arms[LIVE.verdict.arm]!
    const { answers } = LIVE.decision.arms[LIVE.verdict.arm]!
    const name = confidence === 'sum' ? 'logprobSum' : 'logprobMin'
    const answered = answers.flatMap((answer, i) =>
      answer !== null && answer.deferred === null && answer[name]! >= threshold! ? [i] : []
    )
    fc.assert(
      fc.property(fc.constantFrom(...answered), fc.boolean(), (i, isAgreement) => {
        const path = ['decision', 'arms', LIVE.verdict.arm, 'answers', i]
        const { agreesToday } = answers[i]!
        const forged = isAgreement
          ? changed(LIVE, [...path, 'agreesToday'], !agreesToday)
          : changed(LIVE, [...path, name], threshold! - 1)
        expect(failing(resealed(forged))).toEqual(['verdict'])
      }),
      { numRuns: 10 }
    )
  })

  it('is found in the outcome of a pair, also if the digests are made anew', () => {
    const pairs = ROLLED_BACK.rollout!.conversations.flatMap((turns, i) =>
      turns.map((pair, j) => ({ pair, path: ['rollout', 'conversations', i, j] }))
    )
    fc.assert(
      fc.property(fc.constantFrom(...pairs), ({ pair: { outcome, loss }, path }) => {
        const flipped = outcome === 'agreed' ? 'disagreed' : 'agreed'
        const forged = changed(ROLLED_BACK, [...path, 'outcome'], flipped)
        expect(failing(resealed(forged))).toContain('losses')
        const whole = resealed(changed(forged, [...path, 'loss'], loss === 1 ? 0 : 1))
        expect(failing(whole)).toContain('newest evidence')
      }),
      { numRuns: 10 }
    )
  })
})

describe('what the checks find', () => {
  it.each<[check: string, file: ProofFile, path: Path, value: unknown]>([
    ['bounds', LIVE, ['verdict', 'arm'], 9],
    ['separation', LIVE, ['training', 'records', 0], 'held-out-7'],
    ['separation', LIVE, ['decision', 'records', 0, 'id'], 'held-out-7'],
    ['promise', LIVE, ['rollout', 'report', 'rollbackCapital'], 1e300],
    ['promise', LIVE, ['rollout', 'report', 'stepCapital'], 1],
    ['capitals', ROLLED_BACK, ['history', 2, 'by'], 'worker'],
    ['state', ROLLED_BACK, ['history', 3, 'state'], 'live'],
    ['training records', LIVE, ['training', 'recordsDigest'], 'a'],
    ['held-out records', LIVE, ['decision', 'records', 0, 'id'], 'another'],
    ['rows of schedule', LIVE, ['decision', 'records', 0, 'slices', 0], 'turn 2'],
    ['state', LIVE, ['internalization', 'state'], 'retired'],
    ['state', REJECTED, ['history', 0, 'state'], 'live'],
    ['verdict', AGAINST_LOG, ['decision', 'burstMs'], 1e10],
    ['capitals', ROLLED_BACK, ['rollout', 'report', 'rollbackCapital'], 1e300],
    ['outcomes', LIVE, ['rollout', 'report', 'outcomes', 'agreed'], 3],
    ['stages', LIVE, ['history', 2, 'evidence', 'stagePairs'], 5],
    ['feedback', LIVE, ['rollout', 'feedback', 'blocks', 0, 'audit', 'conversations'], 2],
    ['feedback', LIVE, ['rollout', 'feedback', 'blocks', 0, 'audit', 'bad'], 1.5],
    ['newest feedback', LIVE, ['rollout', 'report', 'feedback', 'rollback'], 3],
    ['newest feedback', LIVE, ['rollout', 'report', 'feedback', 'margin'], 0.2],
  ])('%s', (check, file, path, value) => {
    expect(failing(changed(file, path, value))).toContain(check)
  })

  it('is a route that goes live again after its evidence has ended it', () => {
    const { history, ...rest } = ROLLED_BACK
    const forged = {
      ...rest,
      internalization: { ...rest.internalization, state: 'live' as const },
      history: [...history, history[1]!],
    }
    expect(failing(resealed(forged))).toEqual(['state'])
  })
})

/** A loss that a person has taken back at a time. */
const rated = (ratedAt: number): ProofFile => {
  const conversations = LIVE.rollout!.conversations
  const i = conversations.findIndex((turns) => turns.some(({ loss }) => loss === 1))
  const j = conversations[i]!.findIndex(({ loss }) => loss === 1)
  const path = ['rollout', 'conversations', i, j]
  const pair = { ...(at(LIVE, path) as object), loss: 0, rating: 'both', ratedAt }
  return resealed(changed(LIVE, path, pair))
}

describe('pairs that were rated', () => {
  it('since a decision leave it as it was', () => {
    expect(verifyProof(rated(LIVE.rollout!.report.at + 1))).toMatchObject({ holds: true })
  })

  it('before a decision count for it', () => {
    expect(failing(rated(LIVE.rollout!.report.at - 3_600_000))).toContain('newest evidence')
  })
})

describe('a file with more pairs than are listed', () => {
  const rollout = { pairs: auditedPairs(2_600, 60), decisions: [130, 777], isRolledBack: false }

  it('has the same figures with sums of the oldest ones', () => {
    const whole = exampleEvidenceFile({ rollout }).rollout!
    const short = exampleEvidenceFile({ rollout: { ...rollout, limit: 200 } })
    expect(failing(short)).toEqual([])
    const { summed, conversations } = short.rollout!
    expect(conversations.flat().length).toBeLessThanOrEqual(200)
    expect(summed.length).toBeLessThan(12)
    expect(conversations).toEqual(whole.conversations.slice(-conversations.length))
    const count = summed.reduce((sum, { pairs }) => sum + pairs, 0) + conversations.length
    expect(count).toBe(whole.conversations.length)
  })

  it('does not hold when a bet begins within a sum', () => {
    const short = exampleEvidenceFile({ rollout: { ...rollout, limit: 200 } })
    const { summed } = short.rollout!
    const [one, other, ...rest] = summed
    const joined = {
      ...other!,
      pairs: one!.pairs + other!.pairs,
      losses: one!.losses + other!.losses,
    }
    expect(failing(resealed(changed(short, ['rollout', 'summed'], [joined, ...rest])))).toContain(
      'sums'
    )
  })

  it('does not hold when a sum was changed', () => {
    const short = exampleEvidenceFile({ rollout: { ...rollout, limit: 200 } })
    for (const name of ['pairs', 'losses']) {
      const forged = changed(short, ['rollout', 'summed', 1, name], 7)
      expect(failing(resealed(forged))).toContain('newest evidence')
    }
  })
})

describe('pairs that were deleted with the log', () => {
  it('are named, and the evidence is not computed', () => {
    const file = structuredClone(ROLLED_BACK)
    file.rollout!.conversations = []
    expect(failing(resealed(file))).toContain('newest evidence')
    file.rollout!.isWhole = false
    const { holds, checks } = verifyProof(resealed(file))
    expect(holds).toBe(true)
    expect(checks.at(-1)!.said).toContain('deleted')
  })
})

describe('what is not a proof file', () => {
  it.each<[unknown, RegExp]>([
    [null, /not a proof file/],
    [{}, /no format/],
    [{ format: 2 }, /has format 2, and this version of promptintern reads format 1/],
    [{ format: 1, writtenAt: 0 }, /internalization is not an object/],
    [changed(LIVE, ['decision', 'arms', 0, 'answers', 3, 'agrees'], 'x'), /answers\[3\]\.agrees/],
    [changed(LIVE, ['decision', 'responseType'], '__proto__'), /responseType is not one of/],
  ])('is refused in words', (value, message) => {
    expect(() => verifyProof(value)).toThrow(message)
    expect(() => verifyProof(value)).toThrow(AppError)
  })

  it('is a file whose decisions would take time that grows with the square of its size', () => {
    const { history } = LIVE
    const many = changed(LIVE, ['history'], [...history, ...Array(9000).fill(history[2])])
    const refused = () => expect(() => verifyProof(many)).toThrow(/decisions/)
    expect(cpuMsOf(refused)).toBeLessThan(2000)
  })

  it('is a text that is nested deeper than a file, before it is parsed', () => {
    expect(() => parseProof('['.repeat(2 ** 24))).toThrow(/nested too deep/)
    expect(parseProof(`["${'['.repeat(99)}\\"[["]`)).toHaveLength(1)
  })

  it('cannot set what arms share', () => {
    const answer = { ...LIVE.decision.arms[1]!.answers[0]!, isTraffic: false }
    const hidden = changed(LIVE, ['decision', 'arms', 1, 'answers', 0], answer)
    expect(failing(resealed(hidden))).toEqual([])
  })

  it('never breaks the checks, whatever stands in a member', () => {
    const every = (value: unknown, path: Path = []): Path[] =>
      typeof value !== 'object' || value === null
        ? [path]
        : [path, ...Object.entries(value).flatMap(([name, inner]) => every(inner, [...path, name]))]
    const paths = every(LIVE).filter(({ length }) => length > 0)
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom<unknown>(1e308, -1e308, 0, -1, [], {}, null, undefined)
    )
    const shallow = paths.filter(({ length }) => length <= 4)
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...shallow), fc.constantFrom(...paths)),
        values,
        (path, value) => {
          try {
            expect(verifyProof(changed(LIVE, path, value)).checks).not.toEqual([])
          } catch (error) {
            expect(error).toBeInstanceOf(AppError)
          }
        }
      ),
      { numRuns: 80 }
    )
  })
})
