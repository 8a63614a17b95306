/** Verifies a proof file. Needs no data, no network and no configuration. */
import { Command } from 'commander'
import { parseProof, verifyProof, type Verification } from '../../../core/proof/verify-proof.ts'
import { PROMISE, type PromiseConstants } from '../../../core/proof/verify-promise.ts'
import { PrintedResult } from '../../exit-code.ts'
import { EXIT } from '../../../process/exit.ts'
import { duration, positiveAmount, trafficShare } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { readBounded } from '../../read-lines.ts'
import { visibleName } from '../../../visible-text.ts'

/** A file with all the pairs that one may have is about 12 MB. */
const MAX_BYTES = 64 * 2 ** 20

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
  const verification = verifyProof(parseProof(await readBounded(path, MAX_BYTES)), expected)
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
      'required capital of a rollback',
      positiveAmount,
      PROMISE.rollbackCapital
    )
    .option(
      '--step-evidence <capital>',
      'smallest capital of a step to accept',
      positiveAmount,
      PROMISE.stepCapital
    )
    .option('--accept-field-rules', 'accept rules for fields', false)
    .option('--accept-checker', 'accept answers that a checker of the operator compared', false)
    .option('--accept-judge', 'accept a judge in place of equality', false)
    .option('--json', 'print JSON')
    .action(verify)
