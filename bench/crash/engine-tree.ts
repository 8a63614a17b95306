/** The Python engine's processes, told apart by their command lines. */
import { readFileSync, readdirSync } from 'node:fs'
import { processTree } from '../harness/proxy-process.ts'

/** Who can be killed apart from the others; the server is the root of the tree. */
export type Victim = 'server' | 'trainer' | 'vllm'

const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

const victimOf = (command: string): Victim | null => {
  if (/train\.py\b/.test(command)) return 'trainer'
  // what only watches over it has its command line too
  return /\bvllm\b/.test(command) && !command.includes('leash') ? 'vllm' : null
}

export const victimsOf = (serverPid: number): Map<Victim, number> => {
  const victims = new Map<Victim, number>([['server', serverPid]])
  for (const pid of processTree(serverPid).slice(1)) {
    const victim = victimOf(commandLine(pid))
    // the first one met is the parent of its own helpers
    if (victim !== null && !victims.has(victim)) victims.set(victim, pid)
  }
  return victims
}

/** Training processes that work in the folder, whoever their parent is by now. */
export const trainersIn = (folder: string): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter(Number.isInteger)
    .filter((pid) => {
      const command = commandLine(pid)
      return victimOf(command) === 'trainer' && command.includes(folder)
    })
