#!/usr/bin/env node
/** Entry of the command `promptintern`. Result on stdout, log on stderr. */
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
