/** What Linux says of a process in one line (proc(5)). */
import { readFileSync } from 'node:fs'

/**
 * The fields behind the process's name, which may hold spaces: its state comes first, user and system
 * time are the 12th and 13th, its start is the 20th. @throws when there is no such process
 */
export const statFieldsOf = (pid: number): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Linux counts processor time in hundredths of a second for programs (time(7), USER_HZ). */
const TICKS_PER_SECOND = 100

/** Processor time of a process and of its children that ended, in user and system mode. */
export const processorSecondsOf = (pid: number): number =>
  statFieldsOf(pid)
    .slice(11, 15)
    .reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
