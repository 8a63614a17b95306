/** What Linux says of a process in one line (proc(5)). */
import { readFileSync } from 'node:fs'

/**
 * The fields behind the process's name, which may hold spaces: its state comes first, user and system
 * time are the 12th and 13th, its start is the 20th.
 * @param part `first-thread`: of the thread alone that runs its event loop
 * @throws when there is no such process
 */
export const statFieldsOf = (pid: number, part: 'all' | 'first-thread' = 'all'): string[] => {
  const path = part === 'all' ? `/proc/${pid}/stat` : `/proc/${pid}/task/${pid}/stat`
  const stat = readFileSync(path, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
