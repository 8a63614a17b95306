/**
 * Computes everything that an evidence file states again, from the figures in it: what it proves is the
 * arithmetic, and not that the log was true (docs/verify.md). Pure.
 */
import { AppError } from '../../errors.ts'
import { check, type Check } from './check.ts'
import { digestOf } from './digest.ts'
import { EVIDENCE_FORMAT, type EvidenceFile } from './evidence-file.ts'
import { FILE_SHAPE } from './file-shape.ts'
import { decisionChecks } from './verify-decision.ts'
import { rolloutChecks } from './verify-rollout.ts'

export interface Verification {
  holds: boolean
  checks: Check[]
}

/** @throws AppError `invalid-request` for another format, and for what is not an evidence file */
const readFile = (value: unknown): EvidenceFile => {
  const format = (value as Partial<EvidenceFile> | null)?.format as unknown
  if (typeof format !== 'number')
    throw new AppError('invalid-request', 'this is not an evidence file: it has no format')
  if (format !== EVIDENCE_FORMAT)
    throw new AppError(
      'invalid-request',
      `the evidence file has format ${format}, and this version of promptintern reads format ` +
        `${EVIDENCE_FORMAT}: use the version that wrote it`
    )
  const fault = FILE_SHAPE(value, '')
  if (fault !== null)
    throw new AppError('invalid-request', `this is not a whole evidence file: ${fault}`)
  return value as EvidenceFile
}

const fileCheck = ({ digest, ...file }: EvidenceFile): Check =>
  check(
    'file',
    digestOf(file) === digest,
    'the file is as it was written',
    'the file was changed after it was written: it has another digest'
  )

/** @param value of JSON @throws AppError `invalid-request` for what is not an evidence file of this format */
export const verifyEvidence = (value: unknown): Verification => {
  const file = readFile(value)
  const checks = [fileCheck(file), ...decisionChecks(file), ...rolloutChecks(file)]
  return { holds: checks.every(({ holds }) => holds), checks }
}
