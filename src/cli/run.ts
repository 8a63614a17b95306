/**
 * Runs one command. The result goes to stdout, log lines, progress and errors go to stderr; with `--json`
 * an error is the result.
 */
import { CommanderError } from 'commander'
import { toAppError } from '../errors.ts'
import { errorJson, exitCodeOf, PrintedResult } from './exit-code.ts'
import { print, writeError } from './output.ts'
import { createProgram } from './program.ts'

/** `commander` has printed its own errors. */
const report = (thrown: unknown): void => {
  if (thrown instanceof CommanderError) return
  const error = toAppError(thrown)
  writeError(`promptintern: ${error.message}\n`)
  if (error.code === 'internal' && error.stack !== undefined) writeError(`${error.stack}\n`)
}

/** @param words the command line without the program @returns the exit code */
export const run = async (words: string[]): Promise<number> => {
  const isJson = words.includes('--json')
  try {
    await (await createProgram(words, { isJson })).parseAsync(words, { from: 'user' })
    return 0
  } catch (thrown) {
    const code = exitCodeOf(thrown)
    if (code !== 0 && !(thrown instanceof PrintedResult)) {
      if (isJson) print(errorJson(thrown))
      else report(thrown)
    }
    return code
  }
}
