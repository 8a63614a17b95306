/**
 * Runs one command. The result goes to stdout, log lines, progress and errors go to stderr; with `--json`
 * an error is the result.
 */
import { CommanderError } from 'commander'
import { AppError, toAppError } from '../errors.ts'
import { goneVerb } from '../gone.ts'
import { formFor, jsonLine } from '../process/log-line.ts'
import { errorJson, exitCodeOf, PrintedResult } from './exit-code.ts'
import { print, writeError } from './output.ts'
import { createProgram } from './program.ts'

/** Verbs whose stderr is a log, which programs read line by line. */
const LOGGING = new Set(['serve', 'worker'])

/** `commander` has printed its own errors. */
const report = (thrown: unknown, verb: string): void => {
  if (thrown instanceof CommanderError) return
  const { code, message, stack } = toAppError(thrown)
  const detail = code === 'internal' ? stack : undefined
  if (LOGGING.has(verb) && formFor(process.stderr) === 'json')
    writeError(jsonLine('fatal', Date.now(), { part: verb, code, stack: detail }, message))
  else writeError(`promptintern: ${message}\n${detail === undefined ? '' : `${detail}\n`}`)
}

/** @param words the command line without the program @returns the exit code */
export const run = async (words: string[]): Promise<number> => {
  const isJson = words.includes('--json')
  try {
    const gone = goneVerb(words[0] ?? '')
    if (gone !== null) throw new AppError('invalid-request', gone)
    await (await createProgram(words, { isJson })).parseAsync(words, { from: 'user' })
    return 0
  } catch (thrown) {
    const code = exitCodeOf(thrown)
    if (code !== 0 && !(thrown instanceof PrintedResult)) {
      if (isJson) print(errorJson(thrown))
      else report(thrown, words[0] ?? '')
    }
    return code
  }
}
