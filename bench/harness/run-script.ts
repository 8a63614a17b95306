/** Measurements in processes of their own, which print their figures as a line of JSON. */
import { execFileSync } from 'node:child_process'

export type Sample = Record<string, number>

/** Starts another script of this project in the same way as the current one. @throws what it fails with */
export const runScript = (path: string, ...rest: string[]): Sample => {
  const command = [...process.execArgv, path, ...rest]
  const output = execFileSync(process.execPath, command, { encoding: 'utf8' })
  return JSON.parse(output.trim().split('\n').at(-1)!) as Sample
}
