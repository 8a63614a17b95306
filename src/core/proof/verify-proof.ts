/**
 * Computes everything that a proof file states again, from the figures in it: what it proves is the
 * arithmetic, and not that the log was true (docs/evidence.md). Pure.
 */
import { AppError } from '../../errors.ts'
import { isSettable } from '../answer/field-rules.ts'
import { membersOf } from '../json.ts'
import { check, type Check } from './check.ts'
import { digestOf } from './digest.ts'
import { PROOF_FORMAT, type ProofFile } from './proof-file.ts'
import { FILE_SHAPE } from './file-shape.ts'
import { decisionChecks } from './verify-decision.ts'
import { PROMISE, promiseCheck } from './verify-promise.ts'
import { rolloutChecks, workFault } from './verify-rollout.ts'

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
