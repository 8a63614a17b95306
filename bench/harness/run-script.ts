/** Measurements in processes of their own, which print their figures as a line of JSON. */
import { execFileSync } from 'node:child_process'

export type Sample = Record<string, number>

/** @throws what the process fails with */
export const runProgram = (program: string, ...rest: string[]): Sample => {
  const output = execFileSync(program, rest, { encoding: 'utf8' })
  return JSON.parse(output.trim().split('\n').at(-1)!) as Sample
}

/** A script of ours, started as this one was. */
export const runScript = (path: string, ...rest: string[]): Sample =>
  runProgram(process.execPath, ...process.execArgv, path, ...rest)
