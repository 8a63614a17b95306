/** The processes of `promptintern serve`: all of them at once, or one of them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ProxyProcess } from '../../../test/kit/process/proxy-process.ts'
import { commandLine, processTree } from '../../../test/kit/process/proxy-process.ts'

export type Target = 'all' | 'server' | 'worker' | 'engine'

const SHARES: [Target, number][] = [
  ['all', 0.4],
  ['worker', 0.3],
  ['server', 0.2],
  ['engine', 0.1],
]

/** @param position uniform in [0, 1) */
export const targetAt = (position: number): Target => {
  let rest = position
  return SHARES.find(([, share]) => (rest -= share) < 0)?.[0] ?? 'all'
}

const PATTERNS = { worker: /cli\.[jt]s worker/, engine: /adapters\/fake\/process/ }

const childOf = (serverPid: number, name: 'worker' | 'engine'): number | undefined =>
  processTree(serverPid).find((pid) => PATTERNS[name].test(commandLine(pid)))

const signal = (pid: number): boolean => {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    // it was gone already
    return false
  }
}

/**
 * Kills with SIGKILL. The children of a server that is killed alone are to end by themselves.
 * @returns the target, or `all` when the child does not run: then the whole tree is killed
 */
export const kill = async (proxy: ProxyProcess, target: Target): Promise<Target> => {
  if (target === 'worker' || target === 'engine') {
    const pid = childOf(proxy.pid, target)
    if (pid !== undefined && signal(pid)) return target
  }
  if (target === 'server') {
    signal(proxy.pid)
    while (!proxy.exited()) await delay(5)
  }
  await proxy.kill()
  return target === 'server' ? 'server' : 'all'
}
