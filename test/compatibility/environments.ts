/** The packages of the clients, each set in a folder of its own that git ignores. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Environment {
  name: string
  /** also the folder of its scripts */
  language: 'python' | 'node'
  /** with their versions, as `pip` and `npm` name them */
  packages: string[]
}

const FOLDER = fileURLToPath(new URL('packages', import.meta.url))
const SCRIPTS = fileURLToPath(new URL('scripts', import.meta.url))

const folderOf = ({ name }: Environment): string => join(FOLDER, name)

/** Written when everything is installed: half an environment is none. */
const markOf = (environment: Environment): string => join(folderOf(environment), 'installed.txt')

const textOf = ({ packages }: Environment): string => `${packages.join('\n')}\n`

/** With the versions that are asked for. */
export const isInstalled = (environment: Environment): boolean => {
  const mark = markOf(environment)
  return existsSync(mark) && readFileSync(mark, 'utf8') === textOf(environment)
}

const run = (command: string, args: string[], cwd: string): void => {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** @throws Error where a package cannot be had */
export const install = (environment: Environment): void => {
  const folder = folderOf(environment)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  if (environment.language === 'python') {
    run(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', 'venv'], folder)
    run('venv/bin/pip', ['install', '-q', '--no-input', ...environment.packages], folder)
  } else {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    run(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...environment.packages],
      folder
    )
  }
  writeFileSync(markOf(environment), textOf(environment))
}

/** Has Node itself for this machine. */
export const NODE_PACKAGE = `node-${process.platform}-${process.arch}`

/** The environment's own Node, where it has one. */
const nodeOf = (folder: string): string => {
  const own = join(folder, 'node_modules', NODE_PACKAGE, 'bin', 'node')
  return existsSync(own) ? own : process.execPath
}

/** The command of a script. Packages of Node are found from where the script is, so it is copied to them. */
export const commandOf = (environment: Environment, script: string): [string, string[]] => {
  const folder = folderOf(environment)
  const copied = join(folder, 'scripts')
  cpSync(join(SCRIPTS, environment.language), copied, { recursive: true })
  return environment.language === 'python'
    ? [join(folder, 'venv', 'bin', 'python'), ['-B', join(copied, script)]]
    : [nodeOf(folder), [join(copied, script)]]
}
