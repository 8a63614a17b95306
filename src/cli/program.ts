/** The command `promptintern`, assembled from one file per verb. */
import { Command } from 'commander'
import { packageVersion } from '../package-folder.ts'
import { writeError } from './output.ts'
import { detectCommand } from './commands/detect.ts'
import { evaluateCommand } from './commands/evaluate.ts'
import { proofCommand } from './commands/proof/proof.ts'
import { verifyCommand } from './commands/proof/verify.ts'
import { examplesCommand } from './commands/examples.ts'
import { forgetCommand } from './commands/forget.ts'
import { importCommand } from './commands/import.ts'
import { internalizeCommand } from './commands/internalize.ts'
import { keysCommand } from './commands/keys.ts'
import { migrateCommand } from './commands/migrate.ts'
import { modelsCommand } from './commands/models.ts'
import { pauseCommand, resumeCommand } from './commands/rollout/pause.ts'
import { promoteCommand } from './commands/rollout/promote.ts'
import { recordsCommand } from './commands/records.ts'
import { rollbackCommand } from './commands/rollout/rollback.ts'
import { savingsCommand } from './commands/savings.ts'
import { watchCommand } from './commands/rollout/watch.ts'
import { scanCommand } from './commands/scan.ts'
import { serveCommand, workerCommand } from './commands/serve.ts'
import { statusCommand } from './commands/status.ts'
import { labelCommand } from './commands/template/label.ts'
import { showCommand } from './commands/template/show.ts'

const VERBS = [
  serveCommand,
  workerCommand,
  scanCommand,
  importCommand,
  statusCommand,
  showCommand,
  labelCommand,
  examplesCommand,
  recordsCommand,
  detectCommand,
  internalizeCommand,
  evaluateCommand,
  promoteCommand,
  watchCommand,
  pauseCommand,
  resumeCommand,
  rollbackCommand,
  savingsCommand,
  proofCommand,
  verifyCommand,
  keysCommand,
  forgetCommand,
  migrateCommand,
  modelsCommand,
]

/** Errors of usage are thrown by all commands, and printed unless the result is JSON. */
const inherit = (command: Command, parent: Command): void => {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inherit(child, command)
}

/** @param options.isJson whether the error of a wrong usage is left to the caller */
export const createProgram = ({ isJson = false }: { isJson?: boolean } = {}): Command => {
  const program = new Command('promptintern')
    .description('OpenAI-compatible proxy that trains loras to answer without recurring prompts')
    .version(packageVersion(), '--version', 'print the version')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('(promptintern --help lists the commands; <command> --help its options)')
    .configureOutput({ writeErr: (text) => void (isJson || writeError(text)) })
  for (const command of VERBS) {
    const verb = command()
    inherit(verb, program)
    program.addCommand(verb)
  }
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
