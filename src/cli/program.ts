/** The command `promptintern`, assembled from one file per verb. */
import { Command } from 'commander'
import { detectCommand } from './commands/detect.ts'
import { evaluateCommand } from './commands/evaluate.ts'
import { forgetCommand } from './commands/forget.ts'
import { importCommand } from './commands/import.ts'
import { internalizeCommand } from './commands/internalize.ts'
import { keysCommand } from './commands/keys.ts'
import { modelsCommand } from './commands/models.ts'
import { promoteCommand } from './commands/promote.ts'
import { rollbackCommand } from './commands/rollback.ts'
import { savingsCommand } from './commands/savings.ts'
import { serveCommand } from './commands/serve.ts'
import { statusCommand } from './commands/status.ts'
import { workerCommand } from './commands/worker.ts'

export const createProgram = (): Command => {
  const program = new Command('promptintern')
    .description('OpenAI-compatible proxy that trains loras to answer without recurring prompts')
    .helpCommand(false)
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
    savingsCommand,
    keysCommand,
    forgetCommand,
    modelsCommand,
  ])
    program.addCommand(command())
  return program
}

const helpOf = (command: Command): string =>
  command.configureHelp({ helpWidth: 80 }).helpInformation().trim()

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`

/**
 * @returns docs/cli.md: the help of every verb
 * @public for `npm run docs:cli`
 */
export const helpDocument = (): string => {
  const program = createProgram()
  const verbs = program.commands.flatMap((command) => [command, ...command.commands])
  const sections = verbs.map(
    (command) => `## ${pathOf(command)}\n\n\`\`\`\n${helpOf(command)}\n\`\`\``
  )
  return `# Command line

Settings come from the environment ([configuration](configuration.md)). Results go to stdout, log and progress to stderr; \`--json\` prints JSON.

\`\`\`
${helpOf(program)}
\`\`\`

${sections.join('\n\n')}
`
}
