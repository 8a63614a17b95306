/** Measurements in processes of their own, which print their figures as a line of JSON. */
import { execFileSync } from 'node:child_process'

export type Sample = Record<string, number>

/** @throws what the process fails with */
export const runProgram = (program: string, ...rest: string[]): Sample => {
  const output = execFileSync(program, rest, { encoding: 'utf8' })
  return JSON.parse(output.trim().split('\n').at(-1)!) as Sample
}

/** Starts another script of this project in the same way as the current one. */
export const runScript = (path: string, ...rest: string[]): Sample =>
  runProgram(process.execPath, ...process.execArgv, path, ...rest)
