/** Verifies an evidence file. Needs no data, no network and no configuration. */
import { Command } from 'commander'
import { verifyEvidence, type Verification } from '../../../core/evidence/verify-evidence.ts'
import { AppError } from '../../../errors.ts'
import { EXIT, PrintedResult } from '../../exit-code.ts'
import { print, type OutputOptions } from '../../output.ts'
import { openFile } from '../../read-lines.ts'

/** A file with all the pairs that one may have is about 12 MB. */
const MAX_BYTES = 256 * 2 ** 20

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
        throw new AppError('invalid-request', `${path} is larger than an evidence file can be`)
    }
    return Buffer.concat(chunks).toString()
  } finally {
    await file?.close()
  }
}

const parse = (path: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid-request', `${path} is not JSON`, { cause })
  }
}

/** One line for each check; the sentences are too long for the columns of a table. */
const textOf = ({ holds, checks }: Verification): string => {
  const failed = checks.filter((check) => !check.holds).length
  const lines = checks.map(
    (check) => `${check.holds ? 'holds' : 'FAILS'}  ${check.name}: ${check.said}`
  )
  const end = holds ? 'every check holds' : `${failed} of ${checks.length} checks fail`
  return [...lines, '', end].join('\n')
}

const verify = async (path: string, { json }: OutputOptions): Promise<void> => {
  const verification = verifyEvidence(parse(path, await readText(path)))
  print(json ? verification : textOf(verification))
  if (!verification.holds) throw new PrintedResult(EXIT.notAccepted)
}

export const verifyCommand = (): Command =>
  new Command('verify')
    .description(
      'compute the decision and the evidence of an evidence file again and compare; needs no data and no network'
    )
    .argument('<file>', 'written by promptintern evidence; - reads stdin')
    .option('--json', 'print JSON')
    .action(verify)
