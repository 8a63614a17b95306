#!/usr/bin/env node
/** The command `promptintern`: one verb a file in cli/. Result on stdout, log on stderr. */
import { Command } from 'commander'
import { detectCommand } from './cli/detect.ts'
import { evaluateCommand } from './cli/evaluate.ts'
import { importCommand } from './cli/import.ts'
import { internalizeCommand } from './cli/internalize.ts'
import { promoteCommand } from './cli/promote.ts'
import { rollbackCommand } from './cli/rollback.ts'
import { serveCommand } from './cli/serve.ts'
import { statusCommand } from './cli/status.ts'
import { workerCommand } from './cli/worker.ts'
import { toAppError } from './errors.ts'

const program = new Command('promptintern')
  .description('OpenAI-compatible proxy that makes recurring prompts disappear')
  .showHelpAfterError()

for (const command of [
  serveCommand,
  workerCommand,
  importCommand,
  detectCommand,
  internalizeCommand,
  evaluateCommand,
  promoteCommand,
  rollbackCommand,
  statusCommand,
])
  program.addCommand(command())

try {
  await program.parseAsync()
} catch (thrown) {
  const error = toAppError(thrown)
  process.stderr.write(`promptintern: ${error.message}\n`)
  if (error.code === 'internal' && error.stack !== undefined)
    process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
}
