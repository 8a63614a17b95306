/** The GPU engine's processes: told apart by their command lines, and which of them are left. */
import { statFieldsOf } from '../../test/kit/process/process-stat.ts'
import { commandLine, processTree } from '../../test/kit/process/proxy-process.ts'

/** Who can be killed apart from the others; the server is the root of the tree. */
export type Victim = 'server' | 'trainer' | 'vllm' | 'leash'

const victimOf = (command: string): Victim | null => {
  if (/train\.py\b/.test(command)) return 'trainer'
  // the supervisor of vLLM has the same command line
  if (/leash\.[jt]s\b/.test(command)) return 'leash'
  return /\bvllm\b|stand-in-process/.test(command) ? 'vllm' : null
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

/** Processes by their number, with their start, because the number may be another's later. */
export type Noted = Map<number, string>

/** Ticks from the machine's start to the process's; null when nothing but its status is left. */
const startOf = (pid: number): string | null => {
  try {
    const fields = statFieldsOf(pid)
    return fields[0] === 'Z' ? null : fields[19]!
  } catch {
    return null
  }
}

/**
 * Records the server and all its descendants, because a process whose parent has died is no longer
 * found from the server.
 */
export const noteTree = (serverPid: number, noted: Noted): void => {
  for (const pid of processTree(serverPid)) {
    const start = startOf(pid)
    if (start !== null) noted.set(pid, start)
  }
}

export const stillRunning = (noted: Noted): number[] =>
  [...noted].filter(([pid, start]) => startOf(pid) === start).map(([pid]) => pid)
