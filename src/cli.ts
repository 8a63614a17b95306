#!/usr/bin/env node
/** Entry point of the command `promptintern`. The result goes to stdout, the log to stderr. */
import { createProgram } from './cli/program.ts'
import { toAppError } from './errors.ts'

try {
  await createProgram().parseAsync()
} catch (thrown) {
  const error = toAppError(thrown)
  process.stderr.write(`promptintern: ${error.message}\n`)
  if (error.code === 'internal' && error.stack !== undefined)
    process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
}
