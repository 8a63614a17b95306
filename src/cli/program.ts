/** The command `promptintern`, assembled from one file per verb. */
import { Command } from 'commander'
import { packageVersion } from '../package-folder.ts'
import { writeError } from './output.ts'

/** In the order of the help. A verb loads only its own modules: `serve` neither the scan nor the worker. */
const VERBS: Record<string, () => Promise<Command>> = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  worker: async () => (await import('./commands/worker.ts')).workerCommand(),
  scan: async () => (await import('./commands/scan.ts')).scanCommand(),
  import: async () => (await import('./commands/import.ts')).importCommand(),
  status: async () => (await import('./commands/status.ts')).statusCommand(),
  show: async () => (await import('./commands/template/show.ts')).showCommand(),
  label: async () => (await import('./commands/template/label.ts')).labelCommand(),
  fields: async () => (await import('./commands/template/fields.ts')).fieldsCommand(),
  examples: async () => (await import('./commands/examples.ts')).examplesCommand(),
  ratings: async () => (await import('./commands/proof/ratings.ts')).ratingsCommand(),
  records: async () => (await import('./commands/records.ts')).recordsCommand(),
  internalize: async () => (await import('./commands/internalize.ts')).internalizeCommand(),
  reject: async () => (await import('./commands/rollout/retire.ts')).rejectCommand(),
  promote: async () => (await import('./commands/rollout/promote.ts')).promoteCommand(),
  watch: async () => (await import('./commands/rollout/watch.ts')).watchCommand(),
  pause: async () => (await import('./commands/rollout/pause.ts')).pauseCommand(),
  resume: async () => (await import('./commands/rollout/pause.ts')).resumeCommand(),
  rollback: async () => (await import('./commands/rollout/rollback.ts')).rollbackCommand(),
  retire: async () => (await import('./commands/rollout/retire.ts')).retireCommand(),
  move: async () => (await import('./commands/template/move.ts')).moveCommand(),
  savings: async () => (await import('./commands/savings.ts')).savingsCommand(),
  proof: async () => (await import('./commands/proof/proof.ts')).proofCommand(),
  verify: async () => (await import('./commands/proof/verify.ts')).verifyCommand(),
  keys: async () => (await import('./commands/keys.ts')).keysCommand(),
  forget: async () => (await import('./commands/forget.ts')).forgetCommand(),
  migrate: async () => (await import('./commands/migrate.ts')).migrateCommand(),
  models: async () => (await import('./commands/models.ts')).modelsCommand(),
}

/** Errors of usage are thrown by all commands, and printed unless the result is JSON. */
const inherit = (command: Command, parent: Command): void => {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inherit(child, command)
}

/**
 * @param words the command line without the program: its first word chooses the verb, or none of them, and all of
 * them are loaded
 * @param options.isJson whether the error of a wrong usage is left to the caller
 */
export const createProgram = async (
  [first = '']: readonly string[],
  { isJson = false }: { isJson?: boolean } = {}
): Promise<Command> => {
  const program = new Command('promptintern')
    .description('OpenAI-compatible proxy that trains loras to answer without recurring prompts')
    .version(packageVersion(), '--version', 'print the version')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('(promptintern --help lists the commands; <command> --help its options)')
    .configureOutput({ writeErr: (text) => void (isJson || writeError(text)) })
  const chosen = Object.hasOwn(VERBS, first) ? [VERBS[first]!] : Object.values(VERBS)
  for (const load of chosen) {
    const verb = await load()
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
export const helpDocument = async (): Promise<string> => {
  const program = await createProgram([])
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
