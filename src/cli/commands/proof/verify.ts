/** Verifies a proof file. Needs no data, no network and no configuration. */
import { Command } from 'commander'
import { parseProof, verifyProof, type Verification } from '../../../core/proof/verify-proof.ts'
import { PROMISE, type PromiseConstants } from '../../../core/proof/verify-promise.ts'
import { AppError } from '../../../errors.ts'
import { PrintedResult } from '../../exit-code.ts'
import { EXIT } from '../../../process/exit.ts'
import { duration, positiveAmount, trafficShare } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { openFile } from '../../read-lines.ts'
import { visibleName } from '../../../visible-text.ts'

/** A file with all the pairs that one may have is about 12 MB. */
const MAX_BYTES = 64 * 2 ** 20

/** @throws AppError `not-found`, `invalid-request` for a path that cannot be read or is too large */
const readText = async (path: string): Promise<string> => {
  const file = path === '-' ? null : await openFile(path)
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of file?.chunks ?? process.stdin) {
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes > MAX_BYTES)
        throw new AppError('invalid-request', `${path} is larger than a proof file can be`)
    }
    return Buffer.concat(chunks).toString()
  } finally {
    await file?.close()
  }
}

/** One line for each check; the sentences are too long for the columns of a table. */
const textOf = ({ holds, checks }: Verification): string => {
  const failed = checks.filter((check) => !check.holds).length
  const lines = checks.map(
    (check) => `${check.holds ? 'holds' : 'FAILS'}  ${visibleName(`${check.name}: ${check.said}`)}`
  )
  const end = holds ? 'every check holds' : `${failed} of ${checks.length} checks fail`
  return [...lines, '', end].join('\n')
}

interface VerifyOptions extends OutputOptions {
  margin: number
  burstMinutes: number
  rollbackEvidence: number
  stepEvidence: number
  acceptFieldRules: boolean
  acceptChecker: boolean
  acceptJudge: boolean
}

const verify = async (path: string, options: VerifyOptions): Promise<void> => {
  const { json, margin, burstMinutes, rollbackEvidence, stepEvidence } = options
  const expected: PromiseConstants = {
    margin,
    burstMinutes,
    rollbackCapital: rollbackEvidence,
    stepCapital: stepEvidence,
    acceptsFieldRules: options.acceptFieldRules,
    acceptsChecker: options.acceptChecker,
    acceptsJudge: options.acceptJudge,
  }
  const verification = verifyProof(parseProof(await readText(path)), expected)
  print(json ? verification : textOf(verification))
  if (!verification.holds) throw new PrintedResult(EXIT.notAccepted)
}

export const verifyCommand = (): Command =>
  new Command('verify')
    .description(
      'recompute the decision and the evidence of a proof file and compare them with the file; needs no data and no network'
    )
    .argument('<file>', 'written by promptintern proof; - reads stdin')
    .option('--margin <share>', 'largest MARGIN to accept', trafficShare, PROMISE.margin)
    .option(
      '--burst-minutes <minutes>',
      'smallest BURST_MINUTES to accept',
      duration,
      PROMISE.burstMinutes
    )
    .option(
      '--rollback-evidence <capital>',
      'required ROLLBACK_EVIDENCE',
      positiveAmount,
      PROMISE.rollbackCapital
    )
    .option(
      '--step-evidence <capital>',
      'smallest STEP_EVIDENCE to accept',
      positiveAmount,
      PROMISE.stepCapital
    )
    .option('--accept-field-rules', 'accept rules for fields', false)
    .option('--accept-checker', 'accept answers that a checker of the operator compared', false)
    .option('--accept-judge', 'accept a judge in place of equality', false)
    .option('--json', 'print JSON')
    .action(verify)
