/** A command of the command line, as a process of its own. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * @param cli the built file @param env added to the environment
 * @returns what the command writes to stdout; @throws Error where it exits with another code than 0
 */
export const runCommand = async (
  cli: string,
  env: Record<string, string>,
  ...words: string[]
): Promise<string> => {
  const options = { env: { ...process.env, ...env } }
  try {
    return (await promisify(execFile)(process.execPath, [cli, ...words], options)).stdout
  } catch (error) {
    // what it wrote says why; Node's own message has stderr alone
    const failed = error as Error & { stdout: string }
    failed.message += `\n${failed.stdout}`
    throw failed
  }
}
