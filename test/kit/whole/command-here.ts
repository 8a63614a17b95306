/** Commands of the command line in the test's own process: a process of their own takes a second to start. */
import { vi } from 'vitest'
import { loadBuilt } from '../process/built.ts'

/** @returns the exit code */
type Command = (words: string[]) => Promise<number>

/** The built command line, as the program `promptintern` calls it. */
export const builtCommand = async (): Promise<Command> =>
  (await loadBuilt<{ run: Command }>('src/cli/run.ts')).run

let isRunning = false

/**
 * Runs a command with these settings and no other variable of the environment.
 * @param written gets the output while the command runs
 * @returns the output, without that of pino and of child processes
 * @throws what the command throws; Error where another command runs
 */
export const endHere = async (
  command: Command,
  env: Record<string, string>,
  words: string[],
  written = { stdout: '', stderr: '' }
): Promise<{ code: number; stdout: string; stderr: string }> => {
  if (isRunning) throw new Error('another command runs in this process')
  isRunning = true
  const { env: own } = process
  process.env = { PATH: own['PATH'], TMPDIR: own['TMPDIR'], ...env }
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((part) => {
      written[stream] += String(part)
      return true
    })
  )
  try {
    return { code: await command(words), ...written }
  } finally {
    for (const spy of spies) spy.mockRestore()
    process.env = own
    isRunning = false
  }
}
