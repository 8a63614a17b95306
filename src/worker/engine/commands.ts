/** The operator's commands for the engine's machine, with their output masked. */
import type { Config, EngineMachine } from '../../config/config.ts'
import { maskSecrets } from '../../fault-log.ts'
import { runShell } from '../../process/shell-command.ts'
import type { EngineCommand, EngineCommands } from '../deps.ts'

/** Settings with secrets of the proxy, which commands for the engine's machine do not need. */
const WITHHELD = [
  'ADMIN_TOKEN',
  'ADMIN_READ_TOKEN',
  'TENANT_SECRET',
  'UPSTREAM_API_KEY',
  'WEBHOOK_SECRET',
  'WEBHOOK_URL',
]
const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i
/** Shorter values may be ordinary words of a line. */
const MIN_SECRET_CHARS = 6
const MAX_LINE_CHARS = 300

/** @param env its values are masked where their name is that of a secret */
export const maskLine = (line: string, env: NodeJS.ProcessEnv): string => {
  let masked = line
  for (const [name, value = ''] of Object.entries(env))
    if (SECRET_NAME.test(name) && value.length >= MIN_SECRET_CHARS)
      masked = masked.replaceAll(value, `[${name}]`)
  return maskSecrets(masked).slice(0, MAX_LINE_CHARS)
}

const commandOf = (command: string, limitMs: number, env: NodeJS.ProcessEnv): EngineCommand => {
  return async (signal) => {
    const result = await runShell(command, { env, limitMs, signal })
    return {
      ...result,
      lastLine: result.lastLine === null ? null : maskLine(result.lastLine, env),
    }
  }
}

const commandsOf = (
  { startCommand, stopCommand, startMs, idleMs }: EngineMachine,
  env: NodeJS.ProcessEnv
): EngineCommands => ({
  start: commandOf(startCommand, startMs, env),
  stop: stopCommand === null ? null : commandOf(stopCommand, startMs, env),
  startMs,
  idleMs,
})

/** @returns null when no commands are configured */
export const engineCommandsOf = (
  engine: Config['engine'],
  env: NodeJS.ProcessEnv
): EngineCommands | null => {
  if (engine.kind !== 'http' || engine.machine === null) return null
  const passed = Object.entries(env).filter(([name]) => !WITHHELD.includes(name))
  return commandsOf(engine.machine, { ...Object.fromEntries(passed), ENGINE_URL: engine.url })
}
