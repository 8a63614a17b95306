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
