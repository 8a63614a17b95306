/** Measurements in processes of their own, which print their figures as a line of JSON. */
import { execFileSync } from 'node:child_process'

export type Sample = Record<string, number>

/** Runs another script with Node's options of this one. @returns the sample in its last line @throws what it fails with */
export const runScript = (path: string, ...rest: string[]): Sample => {
  const command = [...process.execArgv, path, ...rest]
  const output = execFileSync(process.execPath, command, { encoding: 'utf8' })
  return JSON.parse(output.trim().split('\n').at(-1)!) as Sample
}
