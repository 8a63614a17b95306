/** The built program (`test/build.ts`) and its command line. */
import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { builtPath } from './build.ts'
import { startProxy, type ProxyProcess } from './proxy-process.ts'
import { runCommand } from './run-command.ts'

export const TEST_BUILD = 'test'

export const CLI = builtPath(TEST_BUILD, 'src/cli.ts')

/** Exports of the built file. Child processes that it forks are built files too. */
export const loadBuilt = <Module>(file: string): Promise<Module> =>
  import(pathToFileURL(builtPath(TEST_BUILD, file)).href) as Promise<Module>

/** The real server with its children. @param onLog gets what they log */
export const startServer = (
  env: Record<string, string>,
  onLog?: (text: string) => void
): Promise<ProxyProcess> => startProxy(env, { cli: CLI, ...(onLog === undefined ? {} : { onLog }) })

/** @returns what the command writes to stdout; @throws Error where it exits with another code than 0 */
export const runCli = (env: Record<string, string>, ...words: string[]): Promise<string> =>
  runCommand(CLI, env, ...words)

export interface Ended {
  /** null where it was killed */
  code: number | null
  stdout: string
  stderr: string
}

interface EndOptions {
  /** null: stdin stays open */
  input?: string | null
  /** it is killed then */
  timeoutMs?: number
}

/** A command that has PATH alone of this process's environment. */
export const endOfCli = (
  env: Record<string, string>,
  words: readonly string[],
  { input = '', timeoutMs = 50_000 }: EndOptions = {}
): Promise<Ended> =>
  new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'], ...env }, timeout: timeoutMs }
    const child = execFile(process.execPath, [CLI, ...words], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr })
    )
    if (input !== null) child.stdin!.end(input)
  })
