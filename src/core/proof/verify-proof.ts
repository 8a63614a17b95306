/**
 * Computes everything that a proof file states again, from the figures in it: what it proves is the
 * arithmetic, and not that the log was true (docs/evidence.md). Pure.
 */
import { AppError } from '../../errors.ts'
import { isSettable } from '../answer/field-rules.ts'
import { membersOf } from '../json.ts'
import { check, namesText, type Check } from './check.ts'
import { digestOf, digestOfIds, digestOfRows } from './digest.ts'
import { PROOF_FORMAT, type ProofFile } from './proof-file.ts'
import { FILE_SHAPE } from './file-shape.ts'
import { PROMISE, promiseCheck } from './verify-promise.ts'
import { rolloutChecks, workFault } from './verify-rollout.ts'
import { percent } from '../figure-text.ts'
import { tryOfLevel, type Verdict } from '../gate/gate.ts'
import { admissionReason, admit, type Admission } from '../judge/admission.ts'
import { sayReason } from '../reasons/say-reason.ts'
import { decideOn, type HeldOutRecord } from './decision-facts.ts'
import { differences } from './differences.ts'

/** The checks of a proof file that are about the decision: its data, and the verdict that follows from it. */
const idsCheck = (name: string, ids: readonly string[], digest: string): Check =>
  check(
    name,
    digestOfIds(ids) === digest,
    `${ids.length} ids have the digest of the file`,
    `${ids.length} ids have another digest than the file says`
  )

/** A record that counts twice would be worth two. */
const separation = ({ training, decision }: ProofFile): Check => {
  const known = new Set(training.records)
  const shared = decision.records.flatMap(({ id }) => {
    if (known.has(id)) return id
    known.add(id)
    return []
  })
  return check(
    'separation',
    shared.length === 0,
    'no held-out record is a training record, and none occurs twice',
    `held-out records are also training records, or occur twice: ${namesText(shared)}`
  )
}

const counts = ({ decision: { records, counts: stated } }: ProofFile): Check => {
  const [traffic, unseen] = (['isTraffic', 'isUnseen'] as const).map(
    (sample) => records.filter((record) => record[sample]).length
  )
  return check(
    'samples',
    traffic === stated.traffic && unseen === stated.unseen,
    `${traffic} rows are traffic, and ${unseen} are unseen questions`,
    `${traffic} rows are traffic, and ${unseen} are unseen questions, but the file says ` +
      `${stated.traffic} and ${stated.unseen}`
  )
}

const rowsChecks = ({ decision: { records, arms } }: ProofFile): Check[] =>
  arms.map(({ arm, answers, rowsDigest }) =>
    check(
      `rows of ${arm}`,
      answers.length === records.length && digestOfRows(records, answers) === rowsDigest,
      `${answers.length} rows have the digest of the file`,
      `${answers.length} rows of ${records.length} records have another digest than the file says`
    )
  )

const summary = ({ verdict, arm, arms }: Verdict): string => {
  const figures = arms[arm]
  if (verdict === 'reject' || figures === undefined) return verdict
  const { coverage, agreementAnswered, agreementAnsweredBound } = figures
  return (
    `promote; arm ${figures.arm} answers ${percent(coverage)}, ${percent(agreementAnswered)} of them as the ` +
    `upstream does, at least ${percent(agreementAnsweredBound)}`
  )
}

const verdictCheck = ({ decision, verdict }: ProofFile): Check => {
  // as JSON has it: without members that are undefined
  const remade = JSON.parse(JSON.stringify(decideOn(decision))) as Verdict
  const differing = differences(verdict, remade)
  return check(
    'verdict',
    differing.length === 0,
    `the rows give the same verdict with all its figures: ${summary(verdict)}`,
    `the rows give another verdict (${summary(remade)}): ${namesText(differing)}`
  )
}

/** Why the counts cannot be of these rows: faults are planted into answers of them that the judge accepts. */
const impossibleCount = (
  { faults, falseAlarms: { pairs, alarms } }: Admission,
  records: readonly HeldOutRecord[]
): string | null => {
  const asked = new Set(records.flatMap(({ fresh, conversation }) => (fresh ? conversation : [])))
  if (pairs > asked.size)
    return `${pairs} pairs of answers, and two answers were bought in ${asked.size} conversations`
  const sound = pairs - alarms
  const most = faults.find(({ planted, caught }) => planted > sound || caught > planted)
  return most === undefined
    ? null
    : `${most.caught} of ${most.planted} faults of the class ${most.fault} caught in ${sound} accepted answers`
}

/** Of a judge in place of equality: its admission follows from its counts, at the level of a try. */
const admissionChecks = ({ decision }: ProofFile): Check[] => {
  const judge = decision.judge?.admission ?? null
  if (judge === null) return []
  const impossible = impossibleCount(judge, decision.records)
  if (impossible !== null) return [check('judge', false, '', `it says ${impossible}`)]
  const remade = admit({
    judge: judge.judge,
    faults: judge.faults,
    fair: judge.falseAlarms,
    earlierTries: (tryOfLevel(judge.level) ?? 1) - 1,
  })
  const differing = differences(judge, remade)
  const { says } = sayReason(admissionReason(remade))
  return [
    check(
      'judge',
      differing.length === 0,
      `${judge.judge.model} (version ${judge.judge.version}): ${says}`,
      `the counts of ${judge.judge.model} give another admission (${says}): ${namesText(differing)}`
    ),
  ]
}

const decisionChecks = (file: ProofFile): Check[] => [
  idsCheck('training records', file.training.records, file.training.recordsDigest),
  idsCheck(
    'held-out records',
    file.decision.records.map(({ id }) => id),
    file.decision.recordsDigest
  ),
  separation(file),
  counts(file),
  ...rowsChecks(file),
  ...admissionChecks(file),
  verdictCheck(file),
]

export interface Verification {
  holds: boolean
  checks: Check[]
}

/** A member nests eight deep. */
const MAX_DEPTH = 32

const isDeep = (text: string): boolean => {
  let depth = 0
  let isString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') isString = !isString
    else if (isString) at += character === '\\' ? 1 : 0
    else if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth--
    if (depth > MAX_DEPTH) return true
  }
  return false
}

/**
 * The value of a text; it must not be nested deeper than a file is, which would take a hundred bytes for each bracket.
 * @throws AppError `invalid-request`
 */
export const parseProof = (text: string): unknown => {
  if (isDeep(text))
    throw new AppError('invalid-request', 'this is not a proof file: it is nested too deep')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid-request', 'this is not JSON', { cause })
  }
}

/** Why the file is not whole, or would take longer to verify than its size allows. */
const faultOf = (value: object): string | null => {
  const shapeFault = FILE_SHAPE(value, '')
  if (shapeFault !== null) return shapeFault
  if (membersOf(value) === null) return 'a number is beyond the range of doubles'
  const { decision, history, rollout } = value as ProofFile
  const uneven = decision.arms.find(({ answers }) => answers.length !== decision.records.length)
  if (uneven !== undefined) return `${uneven.arm} does not have one answer for each record`
  if (decision.fields?.every(isSettable) === false) return 'it has a rule that cannot be set'
  return workFault(history, rollout)
}

/** @throws AppError `invalid-request` for another format, and for what is not a proof file */
const readFile = (value: unknown): ProofFile => {
  const format = (value as Partial<ProofFile> | null)?.format as unknown
  if (typeof format !== 'number')
    throw new AppError('invalid-request', 'this is not a proof file: it has no format')
  if (format !== PROOF_FORMAT)
    throw new AppError(
      'invalid-request',
      `the proof file has format ${format}, and this version of promptintern reads format ` +
        `${PROOF_FORMAT}: use the version that wrote it`
    )
  const fault = faultOf(value as object)
  if (fault !== null) throw new AppError('invalid-request', `the proof file is not valid: ${fault}`)
  return value as ProofFile
}

const fileCheck = ({ digest, ...file }: ProofFile): Check =>
  check(
    'file',
    digestOf(file) === digest,
    'the file is as it was written',
    'the file was changed after it was written: it has another digest'
  )

/**
 * @param value of JSON @param expected the constants of the promise that the file must keep
 * @throws AppError `invalid-request` for what is not a proof file of this format
 */
export const verifyProof = (value: unknown, expected = PROMISE): Verification => {
  const file = readFile(value)
  const checks = [
    fileCheck(file),
    promiseCheck(file, expected),
    ...decisionChecks(file),
    ...rolloutChecks(file, expected),
  ]
  return { holds: checks.every(({ holds }) => holds), checks }
}
