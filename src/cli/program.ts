/** The command `promptintern`, assembled from one file per verb. */
import { Command, type Help } from 'commander'
import { packageVersion } from '../package-folder.ts'
import { writeError } from './output.ts'

type Verbs = Record<string, () => Promise<Command>>

/** By what a person wants, in the order of the help. A verb loads only its own modules: `serve` neither scan nor worker. */
const GROUPS: Record<string, Verbs> = {
  'Begin:': {
    serve: async () => (await import('./commands/serve.ts')).serveCommand(),
    scan: async () => (await import('./commands/scan.ts')).scanCommand(),
    import: async () => (await import('./commands/import.ts')).importCommand(),
    models: async () => (await import('./commands/models.ts')).modelsCommand(),
  },
  'Look:': {
    status: async () => (await import('./commands/status.ts')).statusCommand(),
    template: async () => (await import('./commands/template/template.ts')).templateCommand(),
    records: async () => (await import('./commands/records.ts')).recordsCommand(),
    watch: async () => (await import('./commands/rollout/watch.ts')).watchCommand(),
    savings: async () => (await import('./commands/savings.ts')).savingsCommand(),
  },
  'Decide:': {
    internalize: async () => (await import('./commands/internalize.ts')).internalizeCommand(),
    promote: async () => (await import('./commands/rollout/promote.ts')).promoteCommand(),
    rollback: async () => (await import('./commands/rollout/rollback.ts')).rollbackCommand(),
    move: async () => (await import('./commands/template/move.ts')).moveCommand(),
  },
  'Prove:': {
    proof: async () => (await import('./commands/proof/proof.ts')).proofCommand(),
    verify: async () => (await import('./commands/proof/verify.ts')).verifyCommand(),
  },
  'Operate:': {
    worker: async () => (await import('./commands/worker.ts')).workerCommand(),
    keys: async () => (await import('./commands/keys.ts')).keysCommand(),
    forget: async () => (await import('./commands/forget.ts')).forgetCommand(),
    migrate: async () => (await import('./commands/migrate.ts')).migrateCommand(),
  },
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
  const groups = Object.entries(GROUPS).flatMap(([group, verbs]) =>
    Object.entries(verbs).map(([name, load]) => ({ group, name, load }))
  )
  const chosen = groups.filter(({ name }) => name === first)
  for (const { group, load } of chosen.length > 0 ? chosen : groups) {
    const verb = (await load()).helpGroup(group)
    inherit(verb, program)
    program.addCommand(verb)
  }
  return program
}

/** A verb's without what the list of all verbs and the document's first lines say. */
const OF_VERBS: Partial<Help> = {
  commandDescription: () => '',
  visibleOptions: ({ options }) =>
    options.filter(({ description }) => description !== 'print JSON'),
}

const helpOf = (command: Command): string =>
  command
    .configureHelp({ helpWidth: 80, ...(command.parent && OF_VERBS) })
    .helpInformation()
    .trim()

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

Settings come from the environment ([configuration](configuration.md)). Results go to stdout, log and progress to stderr; \`--json\` prints JSON, and \`-h\` the help of a command.

\`\`\`
${helpOf(program)}
\`\`\`

${sections.join('\n\n')}
`
}
