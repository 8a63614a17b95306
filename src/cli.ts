#!/usr/bin/env node
/**
 * Entry point of the command `promptintern`. The result goes to stdout, log lines, progress and errors go
 * to stderr; with `--json` an error is the result.
 */
import { CommanderError } from 'commander'
import { errorJson, exitCodeOf } from './cli/exit-code.ts'
import { print } from './cli/output.ts'
import { createProgram } from './cli/program.ts'
import { toAppError } from './errors.ts'

/** A reader that has enough, such as `head`, closes stdout. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const report = (thrown: unknown): void => {
  const error = toAppError(thrown)
  process.stderr.write(`promptintern: ${error.message}\n`)
  if (error.code === 'internal' && error.stack !== undefined)
    process.stderr.write(`${error.stack}\n`)
}

const isJson = process.argv.includes('--json')
try {
  await createProgram({ isJson }).parseAsync()
} catch (thrown) {
  process.exitCode = exitCodeOf(thrown)
  if (process.exitCode !== 0 && isJson) print(errorJson(thrown))
  else if (!(thrown instanceof CommanderError)) report(thrown)
}
